/** Ports that this user may not open, and who has them: what `doctor` says of each, without opening those of other devices. */
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, copyFileSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { installUdevRule } from '../../../src/doctor/index.js';
import { checkPorts, checkUdev } from '../../../src/doctor/port-checks.js';
import { checkPackages } from '../../../src/doctor/system-checks.js';
import { portObstacle, udevRule } from '../../../src/port/index.js';
import { portDenied } from '../../../src/port/port-errors.js';
import { openPty } from '../../../src/virtual/line/pty.js';
import { failure, until } from './helpers.js';

/** Runs something as another user than root; as this one where that is not root. */
async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    return await action();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'openmv-doctor-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

it('a port with the mode 000', async () => {
  // Loads what another user may not be able to read.
  expect((await checkPackages()).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
  const master = await openPty();
  chmodSync(master.slavePath, 0);
  const [check] = await asNobody(() => checkPorts([master.slavePath]));
  expect(check).toMatchObject({ name: `port ${master.slavePath}`, status: 'failed' });
  expect(check!.text).toMatch(/No permission to open .*same user.*PORT_DENIED/);
  await master.close();
});

it('a denied port of each kind has its command', () => {
  const fix = (...access: Parameters<typeof portDenied>) => portDenied(...access).context['fix'];
  expect(fix('/dev/ttyACM0', 'usb', { group: 'dialout' })).toBe('sudo usermod -aG dialout $USER');
  expect(fix('/dev/ttyACM0', 'usb', { group: 'uucp', membership: 'listed' })).toBe('newgrp uucp');
  expect(fix('/dev/ttyACM0', 'usb', { group: 'dialout', membership: 'member' })).toBe(
    'sudo chmod 660 /dev/ttyACM0',
  );
});

it('a port that ModemManager has, by its name', async () => {
  const master = await openPty();
  const program = join(folder(), 'ModemManager');
  copyFileSync('/bin/sleep', program);
  const fd = openSync(master.slavePath, 'r+');
  const child = spawn(program, ['600'], { stdio: [fd, 'ignore', 'ignore'] });
  closeSync(fd);
  onTestFinished(() => void child.kill('SIGKILL'));
  let error = await portObstacle(master.slavePath);
  await until(() => {
    void portObstacle(master.slavePath).then((found) => {
      error = found;
    });
    return error?.message.includes('ModemManager (process') ?? false;
  }, 'the child runs under its own name');
  expect(error).toMatchObject({ code: 'PORT_BUSY', context: { fix: 'sudo systemctl stop ModemManager' } });
  await master.close();
});

it('a rule that is there is found, and one without ModemManager in it is no help against it', async () => {
  const rules = folder();
  expect((await checkUdev([rules]))[0]!.text).not.toContain(rules);
  writeFileSync(join(rules, '50-other.rules'), 'ATTRS{idVendor}=="0403", MODE="0666"\n');
  expect((await checkUdev([rules]))[0]!.text).not.toContain(rules);
  writeFileSync(join(rules, '60-openmv.rules'), udevRule());
  expect((await checkUdev([rules]))[0]).toMatchObject({ status: 'ok', text: expect.stringContaining(rules) });
});

it('only root may write the rule: the message has the whole command', async () => {
  const rules = folder();
  chmodSync(rules, 0o555);
  const error = await failure(
    asNobody(() => installUdevRule(rules)),
    'FILE_FAILED',
  );
  expect(error.message).toMatch(
    /Only root may write .*60-openmv\.rules: run `sudo .* doctor --install-udev --yes`/,
  );
});
