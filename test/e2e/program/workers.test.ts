/** Several adapters at work on the frames of one camera. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { needed } from '../../support/needs.js';
import { type JsonLine, Program } from './program.js';
import { expectSequence, leftovers, PORT, segmentName } from './support.js';

const PACED = fileURLToPath(new URL('adapters/paced.mjs', import.meta.url));
const paced = (...args: string[]): string[] => ['--', process.execPath, PACED, ...args];

function pids(results: readonly JsonLine[]): Set<number> {
  return new Set(results.map((result) => result['data'].debug.pid));
}

describe('--workers', () => {
  it('every frame gets its result, in frame order, whichever adapter is faster', async () => {
    const shm = segmentName();
    const program = new Program([
      ...['--port', PORT, '--frames', '40', '--json', '--shm-name', shm, '--workers', '3'],
      ...['--delivery', 'every', ...paced('400')],
    ]);
    const { status, stderr } = await program.ended;
    expect(status, stderr).toBe(0);
    expectSequence(program.of('frame'), 40);
    expectSequence(program.of('result'), 40);
    for (const result of program.of('result')) {
      // Computed from the frame whose number it carries, while its file was there.
      const number = String(result['sequence']).padStart(8, '0');
      expect(result['data'].debug.call.guide_image_shm_id).toBe(`${result['cameraId']}-${number}`);
      expect(result['data'].debug.files).toEqual([true, true]);
      const { queueMs, transferMs, computeMs } = result['latency'];
      expect(Math.min(queueMs, transferMs, computeMs)).toBeGreaterThanOrEqual(0);
      expect(computeMs).toBeCloseTo(result['latencyMs'], 2);
    }
    expect(pids(program.of('result')).size).toBe(3);
    expect(new Set(program.of('result').map((result) => result['worker']))).toEqual(new Set([1, 2, 3]));
    expect(leftovers(shm, program.pid)).toEqual([]);
  });

  it('with --results unordered each comes when it is there, none is lost', async () => {
    const program = new Program([
      ...['--port', PORT, '--frames', '30', '--json', '--no-shm', '--workers', '2'],
      ...['--delivery', 'every', '--results', 'unordered', ...paced('150')],
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    const order = program.of('result').map((result) => result['sequence']);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  });

  it('every: the sensor waits when all are busy', async () => {
    const workers = 2;
    const program = new Program([
      ...['--port', PORT, '--frames', '20', '--json', '--no-shm', '--workers', String(workers)],
      ...['--delivery', 'every', '--results', 'unordered', ...paced('250')],
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    let frames = 0;
    let results = 0;
    const ahead: number[] = [];
    for (const { type } of program.lines) {
      if (type === 'frame') ahead.push(++frames - results);
      if (type === 'result') results++;
    }
    // One with each adapter, and one that waits: no frame is pulled beyond that.
    expect(Math.max(...ahead)).toBe(workers + 1);
    expect([frames, results]).toEqual([20, 20]);
    expect(program.of('stats').at(-1)!['algorithm'].skipped).toBe(0);
  });

  it('latest: frames go on, the newest goes to a free adapter, replaced ones are counted', async () => {
    const program = new Program([
      ...['--port', PORT, '--frames', '60', '--json', '--no-shm', '--workers', '2', ...paced('400')],
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    expectSequence(program.of('frame'), 60);
    const order = program.of('result').map((result) => result['sequence']);
    expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
    const { algorithm } = program.of('stats').at(-1)!;
    expect(algorithm).toMatchObject({ workers: 2, failed: 0, crashes: 0, timeouts: 0 });
    expect(algorithm.skipped).toBeGreaterThan(0);
    expect(algorithm.skipped + order.length).toBe(60);
  });

  it('an adapter that is killed costs its frame alone; the others go on, in order', async () => {
    const program = new Program([
      ...['--port', PORT, '--json', '--no-shm', '--workers', '2', '--delivery', 'every', ...paced('30')],
    ]);
    await program.line((line) => line.type === 'result' && line['sequence'] >= 6);
    const children = spawnSync(needed('pgrep'), ['-P', String(program.pid)], {
      encoding: 'utf8',
    }).stdout.trim();
    const [victim] = children.split('\n').map(Number);
    expect(children.split('\n')).toHaveLength(2);
    process.kill(victim!, 'SIGKILL');
    await program.line((line) => line.type === 'error' && line['code'] === 'RUNNER_EXITED');
    // Its successor comes to work.
    const known = new Set(children.split('\n').map(Number));
    await program.line(
      (line) => line.type === 'result' && line['status'] === 'OK' && !known.has(line['data'].debug.pid),
    );
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    const results = program.of('result');
    expectSequence(results, results.length);
    const good = results.filter((result) => result['status'] === 'OK');
    // At most the one that was killed, and those that the end of the program found under way.
    expect(results.length - good.length).toBeLessThanOrEqual(3);
    expect(pids(good).size).toBe(3);
  });
});

describe('an adapter that keeps crashing', () => {
  it('is given up, which is said, and frames flow on', async () => {
    const program = new Program([
      ...['--port', PORT, '--frames', '40', '--json', '--no-shm', '--delivery', 'every'],
      ...['--', 'python3', fileURLToPath(new URL('../runner/fixtures/sdk_adapter.py', import.meta.url))],
      ...['0.3', 'exit'],
    ]);
    const { status, stderr } = await program.ended;
    expect(status).toBe(5);
    expectSequence(program.of('frame'), 40);
    const said = program.of('error').at(-1)!;
    expect(said).toMatchObject({ code: 'RUNNER_EXITED' });
    expect(said['message']).toContain('is not started again');
    expect(stderr).toMatch(/is not started again.*frames go on without it/s);
    expect(program.of('result').every((result) => result['resultStatus'] === null)).toBe(true);
    expect(program.of('stats').at(-1)!['algorithm']).toMatchObject({
      state: 'failed',
      crashes: 5,
      starts: 5,
    });
  });
});
