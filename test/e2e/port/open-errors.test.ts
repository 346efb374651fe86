import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findHolders, openSerialPort } from '../../../src/port/index.js';
import { openingFailed, portBusy, portDenied } from '../../../src/port/port-errors.js';
import { openPty } from '../../../src/virtual/line/pty.js';
import { failure, openTtys } from './helpers.js';

/** Opens a port as another program would: in another process, with the `serialport` package. */
async function holdInChild(path: string): Promise<{ pid: number; release(): Promise<void> }> {
  const program = `const { SerialPort } = require('serialport');
    new SerialPort({ path: ${JSON.stringify(path)}, baudRate: 9600 }, () => process.stdout.write('open'));
    process.stdin.on('end', () => process.exit()).resume();`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return {
    pid: child.pid ?? 0,
    release: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.stdin.end();
      }),
  };
}

/** Runs something as the user `no one`; as itself when this is not root, who alone may do so. */
async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    return await action();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

describe('opening a port that cannot be had', () => {
  it('says that it does not exist and which do', async () => {
    const error = await failure(openSerialPort({ path: '/dev/ttyACM99' }), 'PORT_NOT_FOUND');
    expect(error.message).toMatch(
      /no port \/dev\/ttyACM99\. (Ports that exist: |There is no serial port at all)/,
    );
    expect(error.context).toMatchObject({ path: '/dev/ttyACM99' });
  });

  it('says so too of a link that leads nowhere', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'port-'));
    const link = join(folder, 'camera');
    symlinkSync('/dev/pts/99999', link);
    await failure(openSerialPort({ path: link }), 'PORT_NOT_FOUND');
    rmSync(folder, { recursive: true });
  });

  it('says what a path that is no serial port is', async () => {
    const before = openTtys();
    const folder = mkdtempSync(join(tmpdir(), 'port-'));
    const file = join(folder, 'file');
    writeFileSync(file, 'text');
    expect((await failure(openSerialPort({ path: folder }), 'PORT_FAILED')).message).toContain('is a folder');
    expect((await failure(openSerialPort({ path: file }), 'PORT_FAILED')).message).toContain('is a file');
    const device = await failure(openSerialPort({ path: '/dev/null' }), 'PORT_FAILED');
    expect(device.message).toContain('a device without a serial line');
    rmSync(folder, { recursive: true });
    expect(openTtys()).toEqual(before);
  });

  it('says who has it when another process has locked it, and opens it once that is gone', async () => {
    const master = await openPty();
    const other = await holdInChild(master.slavePath);
    expect((await findHolders(master.slavePath)).map((holder) => holder.pid)).toEqual([other.pid]);
    const error = await failure(openSerialPort({ path: master.slavePath }), 'PORT_BUSY');
    expect(error.message).toContain(`(process ${other.pid})`);
    expect(error.message).toContain('ModemManager');
    await other.release();
    const stream = await openSerialPort({ path: master.slavePath });
    await stream.close();
    await master.close();
  });

  it('is busy for a second opening by the same process, which leaves the first one alone', async () => {
    const before = openTtys();
    const master = await openPty();
    const first = await openSerialPort({ path: master.slavePath });
    const error = await failure(openSerialPort({ path: master.slavePath }), 'PORT_BUSY');
    expect(error.message).toContain(`this process (${process.pid})`);
    const received = new Promise<string>((resolve) => {
      first.start({
        data: (chunk) => resolve(Buffer.from(chunk).toString()),
        closed: () => resolve('closed'),
      });
    });
    await expect.poll(() => master.hostPresent).toBe(true);
    master.write(Buffer.from('still here'));
    expect(await received).toBe('still here');
    await first.close();
    await master.close();
    expect(openTtys()).toEqual(before);
  });

  it('is denied to another user', async () => {
    const before = openTtys();
    const master = await openPty();
    chmodSync(master.slavePath, 0);
    const error = await asNobody(() => failure(openSerialPort({ path: master.slavePath }), 'PORT_DENIED'));
    expect(error.message).toContain(master.slavePath);
    expect(error.message).toContain('same user');
    await master.close();
    expect(openTtys()).toEqual(before);
  });
});

describe('what an opening error says', () => {
  it('names the group and the command for a real port', () => {
    const { message } = portDenied('/dev/ttyACM0', 'usb', { group: 'dialout' });
    expect(message).toContain('the group dialout');
    expect(message).toContain('`sudo usermod -aG dialout $USER`, then log out and in again');
    expect(portDenied('/dev/ttyACM0', 'usb', { group: 'uucp' }).message).toContain('usermod -aG uucp');
    expect(portDenied('/dev/ttyACM0', 'usb', { group: 'root' }).message).toContain('usermod -aG dialout');
  });

  it('says how to keep ModemManager away when it is the one', () => {
    const { message } = portBusy('/dev/ttyACM0', [{ pid: 7, name: 'ModemManager' }]);
    expect(message).toContain('ModemManager (process 7)');
    expect(message).toContain('ID_MM_DEVICE_IGNORE');
  });

  it.each([
    ['Error: No such file or directory, cannot open /dev/x', 'PORT_NOT_FOUND'],
    ['Opening COM9: File not found', 'PORT_NOT_FOUND'],
    ['Opening COM3: Access denied', 'PORT_BUSY'],
    ['Error Resource temporarily unavailable Cannot lock port', 'PORT_BUSY'],
    ['Error: Permission denied, cannot open /dev/x', 'PORT_DENIED'],
    ['Error: Inappropriate ioctl for device setting custom baud rate of 921600', 'PORT_FAILED'],
    ['Opening COM3: Unknown error code 31', 'PORT_FAILED'],
  ] as const)('understands "%s"', async (text, code) => {
    const error = await openingFailed('COM3', '/dev/x', 'uart', new Error(text));
    expect(error.code).toBe(code);
    expect(error.message).toContain('COM3');
  });
});
