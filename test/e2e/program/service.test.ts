/** A run as a service: systemd is told how it does, SIGHUP has the configuration read again, secrets are not printed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { MAIN, Program, run } from './program.js';
import { EXAMPLE_PYTHON, segmentName, useScratch } from './support.js';

const scratch = useScratch();
const UNIT = fileURLToPath(new URL('../../../tools/systemd/openmv-bridge@.service', import.meta.url));
const programs: (Program | { readonly child: ChildProcess })[] = [];

afterEach(async () => {
  for (const { child } of programs.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
  }
});

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const program = new Program(args, { env: { ...process.env, ...env } });
  programs.push(program);
  return program;
}

let files = 0;

function config(value: object, path = scratch.path(`service-${files++}.json`)): string {
  writeFileSync(path, JSON.stringify(value));
  return path;
}

/** Writes a configuration to a FIFO as soon as a program reads from it. */
async function feed(fifo: string, value: object): Promise<void> {
  await expect
    .poll(
      () => {
        try {
          const file = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
          writeFileSync(file, JSON.stringify(value));
          closeSync(file);
          return 'written';
        } catch (error) {
          return (error as NodeJS.ErrnoException).code;
        }
      },
      { timeout: 40_000 },
    )
    .toBe('written');
}

/** What systemd would hear: one text for each datagram. */
async function listen(address: string): Promise<string[]> {
  needs('python3');
  const heard: string[] = [];
  const code = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', chr(0), 1) if sys.argv[1][0] == '@' else sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace(chr(10), ' '), flush=True)`;
  const child = spawn('python3', ['-c', code, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  programs.push({ child });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    heard.push(...lines);
  });
  await expect.poll(() => heard).toContain('bound');
  return heard;
}

describe('systemd', () => {
  it('hears that the service is ready, alive, reloading and stopping; the algorithm does not know of it', async () => {
    const address = scratch.path(`notify-${files++}`);
    const heard = await listen(address);
    const path = config({ port: 'virtual', shm: false, json: true });
    const shown = scratch.path('environment');
    const program = start(
      ['--config', path, '--', 'sh', '-c', `env > ${shown}; exec python3 ${EXAMPLE_PYTHON}`],
      {
        NOTIFY_SOCKET: address,
        WATCHDOG_USEC: '200000',
      },
    );
    const has = (pattern: RegExp): Promise<void> =>
      expect.poll(() => heard.some((text) => pattern.test(text)), { timeout: 40_000 }).toBe(true);
    await has(/^READY=1 STATUS=1 of 1 camera connected$/);
    await expect.poll(() => heard.filter((text) => text === 'WATCHDOG=1').length).toBeGreaterThan(3);
    await expect.poll(() => existsSync(shown)).toBe(true);
    expect(spawnSync('grep', ['-c', 'NOTIFY_SOCKET\\|WATCHDOG', shown], { encoding: 'utf8' }).stdout).toBe(
      '0\n',
    );
    const ready = heard.filter((text) => text.startsWith('READY=1')).length;
    program.kill('SIGHUP');
    await has(/^RELOADING=1 MONOTONIC_USEC=\d+$/);
    await expect.poll(() => heard.filter((text) => text.startsWith('READY=1')).length).toBe(ready + 1);
    program.kill('SIGTERM');
    await has(/^STOPPING=1/);
    expect((await program.ended).status, program.stderr).toBe(0);
  });

  it('is ready while a camera is waited for; a socket in the abstract namespace', async () => {
    const address = `@openmv-test-${process.pid}-${files++}`;
    const heard = await listen(address);
    const program = start(['--port', scratch.path('nowhere'), '--wait', '--no-shm'], {
      NOTIFY_SOCKET: address,
    });
    await expect.poll(() => heard.some((text) => text.startsWith('READY=1')), { timeout: 40_000 }).toBe(true);
    expect(heard.find((text) => text.startsWith('READY=1'))).toContain('0 of 1 camera connected');
    program.kill('SIGTERM');
    expect((await program.ended).status).toBe(0);
  });

  it('a socket that is not there, or no socket, does no harm', async () => {
    for (const address of [scratch.path('none'), 'vsock:2:1234']) {
      const env = { ...process.env, NOTIFY_SOCKET: address, WATCHDOG_USEC: '100000' };
      const { status, stderr } = await run(['--port', 'virtual', '--no-shm', '--frames', '3'], { env });
      expect(status, stderr).toBe(0);
    }
  });

  it('takes the unit, and finds little to object to', () => {
    needs('systemd-analyze');
    const instance = scratch.path('openmv-bridge@line1.service');
    copyFileSync(UNIT, instance);
    const verified = spawnSync('systemd-analyze', ['verify', instance], { encoding: 'utf8' });
    expect(verified.stdout + verified.stderr).toBe('');
    expect(verified.status).toBe(0);
    const words = ['security', '--offline=yes', '--threshold=25', instance];
    const judged = spawnSync('systemd-analyze', words, { encoding: 'utf8' });
    expect(judged.stdout).toMatch(/Overall exposure level .*: [01]\.\d OK/);
    expect(judged.status).toBe(0);
  });
});

describe('SIGHUP with --config', () => {
  it('closes, opens and leaves cameras as the file says, and tells what cannot change', async () => {
    const names = [segmentName(), segmentName(), segmentName()] as const;
    const camera = (id: number, more: object = {}): object => ({
      port: 'virtual',
      cameraId: `c${id}`,
      shmName: names[id],
      virtual: { id: id + 1, fps: 20 },
      ...more,
    });
    const path = config({ json: true, cameras: [camera(0), camera(1)] });
    const program = start(['--config', path]);
    const frame = (id: string, least = 1) =>
      program.line((line) => line.type === 'frame' && line['cameraId'] === id && line['sequence'] >= least);
    await frame('c0');
    await frame('c1');
    config({ json: true, logLevel: 'debug', http: '0', cameras: [camera(0), camera(2)] }, path);
    program.kill('SIGHUP');
    await frame('c2');
    await expect.poll(() => program.stderr).toContain('takes effect at the next start only: http');
    expect(program.stderr).toMatch(
      /read again: logLevel is debug; closed virtual; opened virtual; 1 camera untouched/,
    );
    const count = (id: string): number =>
      program.of('frame').filter((line) => line['cameraId'] === id).length;
    // Lines of the one that left which were on their way come before these.
    await frame('c0', count('c0') + 10);
    const closed = count('c1');
    await frame('c0', count('c0') + 10);
    expect(count('c1')).toBe(closed);
    // The one that stayed has all its frames in one sequence.
    const untouched = program.of('frame').filter((line) => line['cameraId'] === 'c0');
    expect(untouched.map((line) => line['sequence'])).toEqual(untouched.map((_line, index) => index + 1));
    expect(existsSync(`/dev/shm${names[1]}`)).toBe(false);
    // One whose options change is closed and opened again.
    config(
      { json: true, logLevel: 'debug', cameras: [camera(0), camera(2, { saveWhen: 'all', stepIndex: 2 })] },
      path,
    );
    const seen = program.of('connected').filter((line) => line['cameraId'] === 'c2').length;
    program.kill('SIGHUP');
    await expect
      .poll(() => program.of('connected').filter((line) => line['cameraId'] === 'c2').length)
      .toBe(seen + 1);
    program.kill('SIGTERM');
    expect((await program.ended).status, program.stderr).toBe(0);
  });

  it('a camera that stays keeps its names, its sequence and its connection, wherever others come and go', async () => {
    const shmName = segmentName();
    const names = [shmName, `${shmName}_2`, `${shmName}_3`] as const;
    const camera = (cameraId: string): object => ({ port: 'virtual', cameraId, virtual: { fps: 20 } });
    const path = config({ json: true, shmName, cameras: ['a', 'b'].map(camera) });
    const program = start(['--config', path]);
    const frame = (id: string, after = 0) =>
      program.line((line) => line.type === 'frame' && line['cameraId'] === id && line['sequence'] > after);
    const of = (id: string, type = 'frame') => program.of(type).filter((line) => line['cameraId'] === id);
    /** What a camera's frames have been named by. */
    const namesOf = (id: string): string[] => [...new Set(of(id).map((line) => line['sharedMemId']))];
    const becomes = async (cameras: readonly string[], told: string): Promise<void> => {
      const length = program.stderr.length;
      config({ json: true, shmName, cameras: cameras.map(camera) }, path);
      program.kill('SIGHUP');
      await expect.poll(() => program.stderr.slice(length), { timeout: 40_000 }).toContain(told);
      for (const id of cameras) await frame(id, of(id).length);
    };
    await Promise.all([frame('a'), frame('b')]);
    expect([namesOf('a'), namesOf('b')]).toEqual([[names[0]], [names[1]]]);
    await becomes(['b'], 'read again: closed virtual; 1 camera untouched');
    expect(existsSync(`/dev/shm${names[0]}`)).toBe(false);
    // What is free is given again; what is not, is not.
    await becomes(['c', 'b'], 'read again: opened virtual; 1 camera untouched');
    await becomes(['d', 'c', 'b'], 'read again: opened virtual; 2 cameras untouched');
    await becomes(['b', 'd'], 'read again: closed virtual; 2 cameras untouched');
    program.kill('SIGTERM');
    expect((await program.ended).status, program.stderr).toBe(0);
    expect(['b', 'c', 'd'].map(namesOf)).toEqual([[names[1]], [names[0]], [names[2]]]);
    for (const id of ['b', 'c', 'd']) {
      expect(of(id, 'connected')).toHaveLength(1);
      expect(of(id).map((line) => line['sequence'])).toEqual(of(id).map((_line, index) => index + 1));
    }
    for (const name of names) expect(existsSync(`/dev/shm${name}`)).toBe(false);
  });

  it('a camera that never came is not missing any more when the file does without it', async () => {
    const here = { port: 'virtual', cameraId: 'here', virtual: { fps: 20 } };
    const common = { json: true, shm: false, http: '0' };
    const path = config({ ...common, cameras: [here, { port: scratch.path('nowhere') }] });
    const program = start(['--config', path]);
    const address = () => /http:\/\/127\.0\.0\.1:\d+/.exec(program.stderr)?.[0];
    await expect.poll(address, { timeout: 40_000 }).toBeDefined();
    const missing = async (): Promise<number> => {
      const response = await fetch(`${address()}/api/cameras`);
      return ((await response.json()) as { waiting: unknown[] }).waiting.length;
    };
    await expect.poll(missing, { timeout: 40_000 }).toBe(1);
    config({ ...common, cameras: [here] }, path);
    program.kill('SIGHUP');
    await expect.poll(missing, { timeout: 40_000 }).toBe(0);
  });

  it('one that comes before the file was read is served once the run is up', async () => {
    const fifo = scratch.path(`service-${files++}.json`);
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    const program = start(['--config', fifo]);
    // The program has a handler long before it has loaded what reads the file.
    const caught = (): number => {
      const status = readFileSync(`/proc/${program.pid}/status`, 'utf8');
      return Number.parseInt(/^SigCgt:\s+(\w+)$/m.exec(status)![1]!.slice(-1), 16) & 1;
    };
    await expect.poll(caught, { interval: 1, timeout: 40_000 }).toBe(1);
    program.kill('SIGHUP');
    const camera = { json: true, shm: false, port: 'virtual' };
    await feed(fifo, camera);
    // The first reading is over.
    await program.line((line) => line.type === 'connected');
    await feed(fifo, { ...camera, logLevel: 'debug' });
    await expect
      .poll(() => program.stderr, { timeout: 40_000 })
      .toContain('read again: logLevel is debug; 1 camera untouched');
    program.kill('SIGTERM');
    expect((await program.ended).status, program.stderr).toBe(0);
  });

  it('a file that cannot be used changes nothing', async () => {
    const path = config({ json: true, shm: false, port: 'virtual' });
    const program = start(['--config', path]);
    await program.line((line) => line.type === 'frame');
    writeFileSync(path, '{"port": ');
    program.kill('SIGHUP');
    await expect.poll(() => program.stderr).toContain('the configuration stays as it was');
    expect(program.stderr).toMatch(/service-\d+\.json cannot be used.*OPTION_INVALID/);
    config({ json: true, shm: false, port: 'virtual', cameraId: 'x', runner: '/nowhere/algorithm' }, path);
    program.kill('SIGHUP');
    await program.line((line) => line.type === 'error' && line['code'] === 'RUNNER_NOT_FOUND');
    await program.ended;
  });
});

describe('--print-config', () => {
  it('masks secrets; the file loads, and a run wants the secret itself', async () => {
    const path = config({ port: 'virtual', shm: false, http: '0', httpToken: 'very-secret', frames: 2 });
    const printed = spawnSync(process.execPath, [MAIN, '--config', path, '--print-config'], {
      encoding: 'utf8',
    });
    expect(printed.stdout).not.toContain('very-secret');
    expect(JSON.parse(printed.stdout)).toMatchObject({ httpToken: '********' });
    const again = join(scratch.path('printed.json'));
    writeFileSync(again, printed.stdout);
    const second = spawnSync(process.execPath, [MAIN, '--config', again, '--print-config'], {
      encoding: 'utf8',
    });
    expect(second.stdout).toBe(printed.stdout);
    const refused = await run(['--config', again]);
    expect(refused.stderr).toMatch(/httpToken in the config file is masked.*--http-token.*OPTION_INVALID/);
    expect(refused.status).toBe(2);
    const given = await run(['--config', again, '--http-token', 'very-secret']);
    expect(given.status, given.stderr).toBe(0);
  });
});

describe('the log', () => {
  it('--log-format json: each line an object, with the camera it is about', async () => {
    const ports = ['--port', 'virtual', '--port', 'virtual', '--no-shm', '--frames', '3'];
    const { status, stdout, stderr } = await run([...ports, '--log-format', 'json']);
    expect(status, stderr).toBe(0);
    expect(stdout).toBe('');
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const line of lines) {
      expect(line).toMatchObject({ level: expect.stringMatching(/^(info|warn)$/), time: expect.any(Number) });
    }
    const connected = lines.filter((line) => String(line['msg']).startsWith('connected to '));
    expect(new Set(connected.map((line) => line['cameraId'])).size).toBe(2);
  });

  it('what repeats is counted, in both forms', async () => {
    const algorithm = scratch.path('talks.mjs');
    const entry = fileURLToPath(new URL('../../../dist/algorithm/index.js', import.meta.url));
    writeFileSync(
      algorithm,
      `import { defineAlgorithm } from ${JSON.stringify(entry)};
await defineAlgorithm({ async execute() { console.error('the same again'); return { resultStatus: 'OK' }; } });`,
    );
    const words = ['--port', 'virtual', '--no-shm', '--frames', '40', '--delivery', 'every'];
    const counts = await Promise.all(
      ['pretty', 'json'].map(async (format) => {
        const { status, stderr } = await run([
          ...words,
          '--log-format',
          format,
          '--',
          process.execPath,
          algorithm,
        ]);
        expect(status, stderr).toBe(0);
        const lines = stderr.split('\n').filter((line) => line.includes('the same again'));
        expect(lines.length).toBeLessThan(40);
        return lines.reduce((sum, line) => sum + Number(/repeated"?:? ?(\d+)/.exec(line)?.[1] ?? 1), 0);
      }),
    );
    expect(counts).toEqual([40, 40]);
  });
});
