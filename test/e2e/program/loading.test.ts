/** Algorithms that load for long after their hello, at the command line: only the start-up limit counts for them. */
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { Program, run } from './program.js';
import { PORT, useScratch } from './support.js';

const scratch = useScratch();
const SLOW = fileURLToPath(new URL('adapters/slow.mjs', import.meta.url));
const SDK = fileURLToPath(new URL('../runner/fixtures/sdk_adapter.py', import.meta.url));
/** Calls take no time; loading takes so long. */
const loading = (ms: number): string[] => ['--', process.execPath, SLOW, '0', String(ms)];
/** More than any limit of a call in here. */
const LOAD_MS = 4_000;
const CALLS = ['--call-timeout', '3s', '--pre-timeout', '3s'];

let picture = '';
beforeAll(async () => {
  picture = scratch.path('picture.jpg');
  await sharp({ create: { width: 64, height: 48, channels: 3, background: '#555' } }).toFile(picture);
});

describe('an algorithm that loads', () => {
  // In real time, for the defaults are what counts: pings every 5 s, 2 s for the answer, two misses.
  it('for 13 s after its hello is not restarted; frames flow, and those not called are counted', async () => {
    const program = new Program([
      ...['--port', PORT, '--json', '--no-shm', '--duration', '16s'],
      ...['--', 'python3', SDK, '0.0', 'load-13'],
    ]);
    const { status, stderr } = await program.ended;
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(
      /still loading: it has said hello and not answered a ping since its start 10 s ago/,
    );
    const stats = program.of('stats').at(-1)!;
    expect(stats['algorithm']).toMatchObject({ starts: 1, crashes: 0, timeouts: 0, failed: 0 });
    const { ok, skipped } = stats['algorithm'];
    expect(ok).toBeGreaterThan(0);
    expect(skipped).toBeGreaterThan(0);
    expect(ok + skipped).toBe(program.of('frame').length);
    expect(program.of('skipped').length).toBe(skipped);
  });

  it('and never says hello is told while it is waited for, and is not started again', async () => {
    const limit = ['--startup-timeout', '11s'];
    const program = new Program(['--port', PORT, '--no-shm', '--frames', '1', ...limit, '--', 'cat']);
    const { status, stderr } = await program.ended;
    expect(stderr).toMatch(/still loading: it has not said hello since its start 10 s ago/);
    expect(stderr).toMatch(/did not say hello within 11000 ms/);
    expect(status).toBe(5);
  });

  it('is checked', async () => {
    const { status, stdout, stderr } = await run(['algo', 'check', ...CALLS, ...loading(LOAD_MS)]);
    expect(stdout, stderr).toMatch(/^ok +ping .*pong, after loading for \d{4,} ms$/m);
    expect(stdout).toMatch(/^ok +call /m);
    // It says OK about images that are not there.
    expect(status).toBe(5);
  });

  it('is run on pictures', async () => {
    const { status, stdout, stderr } = await run(['algo', 'run', picture, ...CALLS, ...loading(LOAD_MS)]);
    expect(stdout, stderr).toContain('1 OK, 0 NG');
    expect(status).toBe(0);
  });

  it.each([
    ['run', ['--port', PORT, '--no-shm', '--frames', '1']],
    ['algo run', ['algo', 'run', 'PICTURE']],
    ['algo check', ['algo', 'check']],
  ])('has --startup-timeout at %s', async (_name, args) => {
    const words = args.map((word) => (word === 'PICTURE' ? picture : word));
    const limits = [
      '--startup-timeout',
      '2s',
      '--shutdown-timeout',
      '100ms',
      ...(args.includes('check') ? [] : ['--crash-limit', '1']),
    ];
    const { status, stdout, stderr } = await run([...words, ...limits, ...loading(600_000)]);
    expect(stdout + stderr).toMatch(
      /said hello and did not answer within 2000 ms of its start\. .*\(--startup-timeout\)/,
    );
    expect(status).toBe(5);
  });
});
