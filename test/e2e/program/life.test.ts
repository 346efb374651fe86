/** How runs end: by the user, by a kill, without room in shared memory; and what they leave behind. */
import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { needed, needs } from '../../support/needs.js';
import { MAIN, Program, run } from './program.js';
import { EXAMPLE_PYTHON, expectSequence, leftovers, segmentName, useScratch } from './support.js';

const scratch = useScratch();

describe('the end of a run', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s ends with 0 and leaves nothing behind',
    async (signal) => {
      const shm = segmentName();
      const program = new Program([
        ...['--port', 'virtual', '--json', '--shm-name', shm],
        ...['--', 'python3', EXAMPLE_PYTHON],
      ]);
      await program.line((line) => line.type === 'result');
      program.kill(signal);
      const { status, signal: by } = await program.ended;
      expect({ status, by }).toEqual({ status: 0, by: null });
      expect(leftovers(shm, program.pid)).toEqual([]);
      const adapters = spawnSync(needed('pgrep'), ['-g', String(program.pid)], { encoding: 'utf8' });
      expect(adapters.stdout).toBe('');
    },
  );

  it('a reader of stdout that has read enough ends it with 0', async () => {
    const shm = segmentName();
    const child = spawn('sh', [
      '-c',
      `"$0" "$1" --port virtual --json --shm-name ${shm} | head -n 3; echo`,
      process.execPath,
      MAIN,
    ]);
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(status).toBe(0);
    await expect.poll(() => leftovers(shm)).toEqual([]);
  });

  it('after a kill -9 the next run takes the segment over', async () => {
    const shm = segmentName();
    const args = ['--port', 'virtual', '--json', '--shm-name', shm, '--', 'python3', EXAMPLE_PYTHON];
    const killed = new Program(args);
    await killed.line((line) => line.type === 'result');
    const second = await run(args);
    expect(second.status).toBe(2);
    expect(second.stderr).toMatch(new RegExp(`${killed.pid}.*SHM_IN_USE`, 's'));
    killed.kill('SIGKILL');
    await killed.ended;
    expect(leftovers(shm)).not.toEqual([]);
    const next = new Program([...args.slice(0, 5), '--frames', '5', ...args.slice(5)]);
    expect((await next.ended).status, next.stderr).toBe(0);
    expectSequence(next.of('frame'), 5);
    expect(leftovers(shm, killed.pid)).toEqual([]);
  });
});

describe('a full /dev/shm', () => {
  it('is reported as SHM_FULL and frames go on', async () => {
    needs('a mount namespace');
    const script =
      'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$0" "$1" --port virtual --frames 5 --json --shm-name /full';
    const result = spawnSync('unshare', ['-m', 'sh', '-c', script, process.execPath, MAIN], {
      encoding: 'utf8',
    });
    const lines = result.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual(
      expect.objectContaining({ type: 'error', code: 'SHM_FULL', message: expect.stringMatching(/size/) }),
    );
    const frames = lines.filter((line) => line.type === 'frame');
    expectSequence(frames, 5);
    expect(frames[0].sharedMemId).toBeNull();
    expect(result.status).toBe(0);
  });
});

describe('saving', () => {
  it('ends with FILE_FAILED, naming the place, when it cannot be done', async () => {
    const path = scratch.path('a-file');
    await writeFile(path, 'not a directory');
    const { status, stderr } = await run([
      '--port',
      'virtual',
      '--no-shm',
      '--frames',
      '1',
      '--save',
      `${path}/frames`,
    ]);
    expect(stderr).toMatch(/a-file\/frames.*FILE_FAILED/s);
    expect(status).toBe(6);
  });
});
