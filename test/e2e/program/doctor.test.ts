/** `openmv-bridge doctor` on machines that lack something: what is wrong is named, with a command that puts it right. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { BOARDS, OPENMV_VENDOR_ID } from '../../../src/port/index.js';
import { needs } from '../../support/needs.js';
import { MAIN, Program, run } from './program.js';
import { EXAMPLE_PYTHON, segmentName, useScratch } from './support.js';

const scratch = useScratch();
const HOOK = fileURLToPath(new URL('no-koffi.mjs', import.meta.url));
const SDK = fileURLToPath(new URL('../runner/fixtures/sdk_adapter.py', import.meta.url));
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
  }
});

interface Check {
  readonly name: string;
  readonly status: string;
  readonly text: string;
  readonly fix: string | null;
}

interface Diagnosis {
  readonly status: number | null;
  readonly checks: ReadonlyMap<string, Check>;
}

function diagnosis({
  status,
  stdout,
  stderr,
}: {
  status: number | null;
  stdout: string;
  stderr: string;
}): Diagnosis {
  if (stdout === '') throw new Error(stderr);
  const { type, checks } = JSON.parse(stdout) as { type: string; checks: Check[] };
  expect(type).toBe('doctor');
  for (const check of checks) {
    expect(Object.keys(check)).toEqual(['name', 'status', 'text', 'fix']);
    expect(['ok', 'warning', 'failed']).toContain(check.status);
  }
  expect(status).toBe(checks.some((check) => check.status === 'failed') ? 1 : 0);
  return { status, checks: new Map(checks.map((check) => [check.name, check])) };
}

/** The diagnosis of a machine with something different: what `before` does in a shell, in a mount namespace of its own. */
function doctorAfter(before: string, ...args: string[]): Diagnosis {
  needs('a mount namespace');
  const words = [
    '-m',
    'sh',
    '-c',
    `${before} && exec "$@"`,
    'sh',
    process.execPath,
    MAIN,
    'doctor',
    '--json',
  ];
  return diagnosis(spawnSync('unshare', [...words, ...args], { encoding: 'utf8' }));
}

async function doctor(args: readonly string[], env = process.env): Promise<Diagnosis> {
  return diagnosis(await run(['doctor', '--json', ...args], { env }));
}

it('a machine and a camera with which all is well: 0, in words and as one line of JSON', async () => {
  const { status, checks } = await doctor(['--port', 'virtual']);
  for (const name of ['node', 'serialport', 'koffi', 'sharp', 'shared memory', 'open files', 'python3']) {
    expect(checks.get(name), name).toBeDefined();
  }
  expect(checks.get('node')!.text).toContain(`${process.version} on ${process.platform} ${process.arch}`);
  const camera = checks.get('port virtual')!;
  expect(camera).toMatchObject({ status: 'ok', fix: null });
  expect(camera.text).toMatch(/firmware 5\.\d+\.\d+, protocol .*its script has the channel frame/);
  expect(status).toBe(0);
  const words = await run(['doctor', '--port', 'virtual']);
  expect(words.stdout).toMatch(/^ok {6}node: Node v/m);
  expect(words.status).toBe(0);
});

it('a camera without the script: a run would send it', async () => {
  const link = scratch.path('bare');
  const camera = new Program(['virtual', '--link', link, '--no-virtual-script']);
  await expect.poll(() => existsSync(link)).toBe(true);
  const { checks, status } = await doctor(['--port', link]);
  camera.kill('SIGINT');
  await camera.ended;
  expect(checks.get(`port ${link}`)!.text).toMatch(/firmware 5.*without the channel frame: a run sends one/);
  expect(status).toBe(0);
});

it('a port that another process has: which one, and the command that ends it', async () => {
  const link = scratch.path('held');
  const camera = new Program(['virtual', '--link', link]);
  await expect.poll(() => existsSync(link)).toBe(true);
  const holder = new Program(['--port', link, '--no-shm', '--json']);
  await holder.line((line) => line.type === 'frame');
  const { checks, status } = await doctor(['--port', link]);
  expect(checks.get(`port ${link}`)).toMatchObject({ status: 'failed', fix: `kill ${holder.pid}` });
  expect(checks.get(`port ${link}`)!.text).toMatch(new RegExp(`busy.*process ${holder.pid}.*PORT_BUSY`));
  expect(status).toBe(1);
  // Looking did the run no harm.
  const seen = holder.of('frame').length;
  await holder.line((line) => line.type === 'frame' && line['sequence'] > seen + 5);
  holder.kill('SIGINT');
  expect((await holder.ended).status).toBe(0);
  camera.kill('SIGINT');
  await camera.ended;
});

it('a port that is not there: which are', async () => {
  const port = scratch.path('nowhere');
  const { checks } = await doctor(['--port', port]);
  expect(checks.get(`port ${port}`)).toMatchObject({ status: 'failed', fix: 'openmv-bridge list --all' });
  expect(checks.get(`port ${port}`)!.text).toContain(`There is no port ${port}`);
});

describe('the machine', () => {
  it.each([
    [240, 'failed'],
    [500, 'warning'],
  ])('at most %d open files: %s', async (limit, expected) => {
    const { stdout, stderr, status } = spawnSync(
      'sh',
      ['-c', `ulimit -n ${limit} && exec "$@"`, 'sh', process.execPath, MAIN, 'doctor', '--json'],
      { encoding: 'utf8' },
    );
    const check = diagnosis({ stdout, stderr, status }).checks.get('open files')!;
    expect(check.status).toBe(expected);
    expect(check.text).toContain(`${limit} files open`);
    expect(check.fix).toMatch(/--nofile=/);
  });

  it.each([
    ['4m', 'failed', /too little for one segment of 7\.9 MiB/],
    ['16m', 'warning', /little for rings/],
  ])('/dev/shm of %s: %s', (size, expected, text) => {
    const check = doctorAfter(`mount -t tmpfs -o size=${size} tmpfs /dev/shm`).checks.get('shared memory')!;
    expect(check.status).toBe(expected);
    expect(check.text).toMatch(text);
    expect(check.fix).toMatch(/size=256m/i);
  });

  it('without koffi: no shared memory, and how to get it', async () => {
    const env = { ...process.env, NODE_OPTIONS: `--import=${HOOK}` };
    const { status, checks } = await doctor([], env);
    expect(checks.get('koffi')).toMatchObject({
      status: 'failed',
      fix: expect.stringContaining('npm install'),
    });
    expect(status).toBe(1);
  });

  it('without python3 and GStreamer: warnings, with the packages', async () => {
    const { checks } = await doctor([], { ...process.env, PATH: scratch.path('no-programs') });
    expect(checks.get('python3')).toMatchObject({ status: 'warning', fix: 'sudo apt-get install python3' });
    expect(checks.get('GStreamer')).toMatchObject({ status: 'warning' });
    expect(checks.get('GStreamer')!.fix).toContain('gstreamer1.0-plugins-good');
  });

  it('a running ModemManager, and no rule that keeps it away', () => {
    const program = scratch.path('ModemManager');
    copyFileSync('/bin/sleep', program);
    children.push(spawn(program, ['600']));
    const check = doctorAfter('mount -t tmpfs tmpfs /etc/udev').checks.get('ModemManager')!;
    expect(check.status).toBe('warning');
    // Another test may run one as well.
    expect(check.text).toMatch(/ModemManager runs \(process \d+\) and takes cameras/);
    expect(check.fix).toMatch(/--install-udev|systemctl stop ModemManager/);
  });
});

it('what a killed bridge left: segment, algorithm, control socket; a next run with these names clears them', async () => {
  needs('a mount namespace', 'python3');
  // A directory of its own: any other bridge that starts meanwhile would clear up as well.
  const [shm, runtime] = [scratch.path('shm'), scratch.path('runtime')];
  for (const folder of [shm, runtime]) mkdirSync(folder, { mode: 0o700 });
  const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
  const name = segmentName();
  const bind = ['-m', 'sh', '-c', 'mount --bind "$0" /dev/shm && exec "$@"', shm, process.execPath, MAIN];
  const bridge = ['--port', 'virtual', '--shm-name', name, '--control', '--log-level', 'info'];
  const child = spawn('unshare', [...bind, ...bridge, '--', 'python3', SDK, '0.3', 'hang'], { env });
  children.push(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await expect.poll(() => said, { timeout: 40_000 }).toContain('algorithm: hanging');
  const record = readdirSync(shm).find((one) => one.includes('-adapter-'))!;
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  const look = (): Diagnosis =>
    diagnosis(
      spawnSync('unshare', [...bind, 'doctor', '--port', 'virtual', '--json'], { encoding: 'utf8', env }),
    );
  const { checks, status } = look();
  const adapter = record.split('-').at(-1);
  expect(checks.get('leftovers in shared memory')).toMatchObject({
    status: 'warning',
    text: expect.stringContaining(`/dev/shm${name} (segment)`),
    fix: expect.stringMatching(/^rm -r .*openmv_test/),
  });
  expect(checks.get('algorithms left running')).toMatchObject({
    status: 'warning',
    fix: `kill -- -${adapter}`,
  });
  expect(checks.get('control sockets left')).toMatchObject({
    status: 'warning',
    text: expect.stringContaining(join(runtime, 'openmv-bridge.sock')),
  });
  expect(status).toBe(0);
  spawnSync('sh', ['-c', checks.get('algorithms left running')!.fix!]);
  const next = spawnSync(
    'unshare',
    [
      ...bind,
      '--port',
      'virtual',
      '--shm-name',
      name,
      '--control',
      '--frames',
      '1',
      '--',
      'python3',
      EXAMPLE_PYTHON,
    ],
    { encoding: 'utf8', env },
  );
  expect(next.stderr).toContain('connected');
  const after = look().checks;
  for (const one of ['leftovers in shared memory', 'algorithms left running', 'control sockets left']) {
    expect(after.get(one), one).toMatchObject({ status: 'ok' });
  }
});

describe('--install-udev', () => {
  const RULE = '/etc/udev/rules.d/60-openmv.rules';

  it('writes the rule for every board, and doctor finds it', () => {
    needs('a mount namespace');
    const command = `mount -t tmpfs tmpfs /etc/udev && mkdir /etc/udev/rules.d && "$0" "$1" doctor --install-udev --yes && cat ${RULE} && "$0" "$1" doctor --json`;
    const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', command, process.execPath, MAIN], {
      encoding: 'utf8',
    });
    expect(stderr).toContain(`wrote ${RULE}`);
    for (const { usbVendorId, usbProductId } of BOARDS) {
      const [vendor, product] = [usbVendorId, usbProductId].map((id) => id.toString(16).padStart(4, '0'));
      const ids = `ATTRS{idVendor}=="${vendor}"${usbVendorId === OPENMV_VENDOR_ID ? '' : `, ATTRS{idProduct}=="${product}"`}`;
      expect(stdout).toContain(`${ids}, MODE="0660", GROUP="`);
      expect(stdout).toContain(`${ids}, ATTRS{serial}=="?*", SYMLINK+="openmv-$attr{serial}"`);
    }
    expect(stdout).toContain('ENV{ID_MM_DEVICE_IGNORE}="1"');
    const json = stdout.slice(stdout.lastIndexOf('\n{') + 1);
    const rule = (JSON.parse(json) as { checks: Check[] }).checks.find(({ name }) => name === 'udev rule');
    expect(rule).toMatchObject({ status: 'ok', text: `${RULE} is for cameras.` });
  });

  it('asks on a terminal; no means no', () => {
    needs('a mount namespace');
    const inside = `mount -t tmpfs tmpfs /etc/udev; echo n | script -qec '${process.execPath} ${MAIN} doctor --install-udev' /dev/null; ls -A /etc/udev`;
    const { stdout } = spawnSync('unshare', ['-m', 'sh', '-c', inside], { encoding: 'utf8' });
    expect(stdout).toContain(`Write ${RULE}`);
    expect(stdout).toContain('nothing was written');
    expect(stdout).not.toContain('rules.d\n');
  });

  it('without a terminal to ask on it wants --yes', async () => {
    const { status, stderr } = await run(['doctor', '--install-udev']);
    expect(stderr).toMatch(/no terminal.*--yes.*OPTION_INVALID/);
    expect(status).toBe(2);
  });
});
