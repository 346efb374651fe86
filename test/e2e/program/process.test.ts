/** A process's life: each way it can end leaves the camera free, no child, and nothing in shared memory. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { needed } from '../../support/needs.js';
import { MAIN, Program } from './program.js';
import { EXAMPLE_PYTHON, expectSequence, leftovers, segmentName, useScratch } from './support.js';

const scratch = useScratch();
const programs: Program[] = [];

afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.kill('SIGKILL');
    await program.ended;
  }
});

function start(args: readonly string[], env?: NodeJS.ProcessEnv): Program {
  const program = new Program(args, env ? { env } : {});
  programs.push(program);
  return program;
}

/** A process that has ended but that no one has waited for yet (state Z) counts as gone. */
function alive(pid: number): boolean {
  const { status, stdout } = spawnSync(needed('ps'), ['-o', 'stat=', '-p', String(pid)], {
    encoding: 'utf8',
  });
  return status === 0 && !stdout.startsWith('Z');
}

/** A bridge with an algorithm on a virtual camera behind a pty, in full run. */
async function running(
  name: string,
  env?: NodeJS.ProcessEnv,
): Promise<{
  program: Program;
  link: string;
  shm: string;
  adapter: number;
}> {
  const link = scratch.path(name);
  const camera = start(['virtual', '--link', link]);
  await expect.poll(() => camera.stderr, { timeout: 20_000 }).toMatch(/virtual camera on/);
  const shm = segmentName();
  const program = start(['--port', link, '--json', '--shm-name', shm, '--', 'python3', EXAMPLE_PYTHON], env);
  await program.line((line) => line.type === 'result');
  const children = spawnSync(needed('pgrep'), ['-P', String(program.pid), '-f', 'example_algorithm'], {
    encoding: 'utf8',
  });
  return { program, link, shm, adapter: Number(children.stdout.trim()) };
}

/** The next host finds the camera as it should be. */
async function expectFree(link: string): Promise<void> {
  const next = start(['--port', link, '--frames', '3', '--json', '--no-shm']);
  expect((await next.ended).status, next.stderr).toBe(0);
  expectSequence(next.of('frame'), 3);
}

describe('the camera, the children and shared memory after', () => {
  it.each([
    ['SIGTERM', 0],
    ['SIGHUP', 0],
    ['SIGINT', 0],
  ] as const)('%s: status %d', async (signal, expected) => {
    const { program, link, shm, adapter } = await running(signal);
    program.kill(signal);
    expect((await program.ended).status).toBe(expected);
    expect(leftovers(shm, program.pid)).toEqual([]);
    await expect.poll(() => alive(adapter)).toBe(false);
    await expectFree(link);
  });

  it('two SIGINTs in a row: status 0 or, when the second came in time, 130', async () => {
    const { program, link, shm, adapter } = await running('twice');
    program.kill('SIGINT');
    program.kill('SIGINT');
    expect([0, 130]).toContain((await program.ended).status);
    expect(leftovers(shm, program.pid)).toEqual([]);
    await expect.poll(() => alive(adapter)).toBe(false);
    await expectFree(link);
  });

  it('an error no one caught: status 70, and it is shown', async () => {
    const throws = "data:text/javascript,process.on('SIGUSR2',()=>{throw%20Error('unforeseen')})";
    const { program, link, shm, adapter } = await running('uncaught', {
      ...process.env,
      NODE_OPTIONS: `--import=${throws}`,
    });
    program.kill('SIGUSR2');
    expect((await program.ended).status).toBe(70);
    expect(program.stderr).toContain('unforeseen');
    expect(leftovers(shm, program.pid)).toEqual([]);
    await expect.poll(() => alive(adapter)).toBe(false);
    await expectFree(link);
  });

  it('SIGKILL: the next run takes over what is left', async () => {
    const { program, link, shm, adapter } = await running('killed');
    program.kill('SIGKILL');
    await program.ended;
    await expect.poll(() => alive(adapter)).toBe(false);
    const next = start([
      '--port',
      link,
      '--frames',
      '3',
      '--json',
      '--shm-name',
      shm,
      '--',
      'python3',
      EXAMPLE_PYTHON,
    ]);
    expect((await next.ended).status, next.stderr).toBe(0);
    expect(leftovers(shm, program.pid)).toEqual([]);
  });
});

describe('streams and disks', () => {
  it('a closed stdin changes nothing', async () => {
    const child = spawn(process.execPath, [MAIN, '--port', 'virtual', '--frames', '5', '--no-shm'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.end();
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
  });

  it('a reader of stdout that goes in the middle of a line ends it with 0', async () => {
    const shm = segmentName();
    const program = start(['--port', 'virtual', '--json', '--virtual-fps', 'max', '--shm-name', shm]);
    await program.line((line) => line.type === 'frame');
    program.child.stdout?.destroy();
    expect((await program.ended).status).toBe(0);
    expect(leftovers(shm, program.pid)).toEqual([]);
  });

  it('a disk that fills up ends --save with FILE_FAILED when it is told to stop, and no half file stays', async (context) => {
    if (spawnSync('unshare', ['-m', 'true']).status !== 0)
      context.skip('needs the right to make a mount namespace');
    const script =
      'mkdir -p "$2" && mount -t tmpfs -o size=200k tmpfs "$2" && "$0" "$1" --port virtual --no-shm --json --save "$2" --save-full stop; status=$?; ls -la "$2" >&2; exit $status';
    const result = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, process.execPath, MAIN, scratch.path('small')],
      {
        encoding: 'utf8',
      },
    );
    expect(result.status).toBe(6);
    const lines = result.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual(expect.objectContaining({ type: 'error', code: 'FILE_FAILED' }));
    const saved = result.stderr.match(/\S+\.jpg/g) ?? [];
    expect(saved.length).toBeGreaterThan(2);
    expect(result.stderr).not.toMatch(/\.part/);
  });
});

it.each([30, 60])('at most %d open files: it says how to raise the limit', (limit) => {
  for (const words of [['--port', 'virtual', '--no-shm', '--frames', '2'], ['doctor']]) {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', `ulimit -n ${limit} && exec "$@"`, 'sh', process.execPath, MAIN, ...words],
      { encoding: 'utf8' },
    );
    expect(stderr).toMatch(/^error: This process may not open more files: .*`ulimit -n 1024`.*LimitNOFILE/);
    expect(stderr).not.toContain('defect');
    expect(status).toBe(6);
  }
});

it('a script that prints without end costs no memory and no frames', async () => {
  const path = scratch.path('chatty.py');
  await writeFile(
    path,
    readFileSync('firmware/frame_channel.py', 'utf8').replace(
      /^( +)time\.sleep_ms\(1\)$/m,
      '$1print("x" * 60)\n$1time.sleep_ms(1)',
    ),
  );
  const program = start(['--port', 'virtual', '--json', '--no-shm', '--script', path, '--frames', '60']);
  expect((await program.ended).status, program.stderr).toBe(0);
  expectSequence(program.of('frame'), 60);
  expect(program.of('stdout').length).toBeGreaterThan(3);
});
