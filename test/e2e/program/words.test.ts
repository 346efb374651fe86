/** What people are told about an algorithm that does odd things: once, with the reason, and nothing that is not so. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from './program.js';
import { EXAMPLE_PYTHON, PORT, useScratch } from './support.js';

const scratch = useScratch();
const ODD = fileURLToPath(new URL('adapters/odd.mjs', import.meta.url));
const odd = (...args: string[]): string[] => ['--', process.execPath, ODD, ...args];
const frames = (count: number): string[] => [
  ...['--port', PORT, '--no-shm', '--delivery', 'every', '--frames', String(count)],
];
const occurrences = (text: string, part: string): number => text.split(part).length - 1;

let pictures: string;
beforeAll(async () => {
  pictures = scratch.path('pictures');
  await mkdir(pictures);
  for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) {
    await sharp({ create: { width: 64, height: 48, channels: 3, background: '#555' } }).toFile(
      join(pictures, name),
    );
  }
});

describe('run', () => {
  it('says which frame has no verdict, and why', async () => {
    const { status, stderr, stdout } = await run([...frames(6), ...odd('error', '3')]);
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/^\S+Z warn: frame 3 has no verdict: .*no light \[ALGORITHM_FAILED\]$/m);
    expect(stdout).toContain('failed 1');
  });

  it('says the same reason once a second, with how many frames it cost', async () => {
    const { stderr } = await run([...frames(40), ...odd('error', '0')]);
    const said = stderr.split('\n').filter((line) => line.includes('no light'));
    expect(said[0]).toContain('frame 1 has no verdict');
    expect(said.length).toBeLessThan(10);
    const more = said.slice(1).map((line) => Number(/(\d+) more frames? without a verdict/.exec(line)?.[1]));
    expect(more.reduce((sum, count) => sum + count, 1)).toBe(40);
  });

  it('says a crash once, and that the algorithm is back', async () => {
    const { stderr } = await run([...frames(5), ...odd('crash', '4')]);
    expect(occurrences(stderr, '[RUNNER_EXITED]')).toBe(1);
    expect(stderr).toContain('frame 4 has no verdict');
    expect(stderr).toContain('algorithm: ready again');
  });

  it('says once what is odd about verdicts, and counts answers no one waited for', async () => {
    const flagged = await run([...frames(5), ...odd('odd-ng', '0')]);
    expect(occurrences(flagged.stderr, 'ng-without-reason')).toBe(1);
    expect(flagged.stderr).toMatch(/^\S+Z warn: .*frame 1.*rect-outside-frame/m);
    const twice = await run([...frames(5), ...odd('duplicate', '2')]);
    expect(twice.stdout.trim().split('\n').at(-1)).toContain('stray answers 2');
  });

  it('takes a message of an unknown type for no error', async () => {
    const { stderr } = await run([...frames(3), ...odd('news', '0')]);
    expect(stderr).toMatch(/^\S+Z warn: .*unknown type "news"/m);
    expect(stderr).not.toContain('error:');
  });

  it('shows what a print to stdout said before anything else', async () => {
    const { stderr } = await run([...frames(3), ...odd('print', '2')]);
    expect(stderr).toContain('wrote to stdout what is no message: "loading weights...');
    expect(stderr).not.toContain('announced');
  });

  it('that never got to its hello: its log is shown, and no frames are promised', async () => {
    const { status, stderr } = await run([
      ...frames(3),
      '--crash-limit',
      '2',
      '--',
      'python3',
      '-c',
      'import no_such_module',
    ]);
    expect(status).toBe(5);
    expect(stderr).toContain('File "<string>", line 1');
    expect(stderr).toContain('failed 2 times');
    expect(stderr).not.toContain('frames go on');
  });

  it('that is given up is said to be given up, once, and frames go on', async () => {
    const { status, stderr } = await run([...frames(20), '--crash-limit', '2', ...odd('crash', '0')]);
    expect(status).toBe(5);
    expect(occurrences(stderr, 'is not started again')).toBe(1);
    expect(stderr).toContain('frames go on without it');
    expect(stderr).not.toContain('algorithm: failed\n');
  });
});

describe('algo run', () => {
  it('says a crash once, with its picture', async () => {
    const { status, stdout, stderr } = await run(['algo', 'run', pictures, ...odd('crash', '2')]);
    expect(status).toBe(5);
    expect(occurrences(stdout + stderr, '[RUNNER_EXITED]')).toBe(1);
    expect(stdout).toMatch(/^no verdict .*b\.jpg .*the model is empty/m);
    expect(stdout).toContain('2 OK, 0 NG, 1 without a verdict');
  });

  it('that is given up: said once, no frames promised, and the rest is counted', async () => {
    const { status, stdout, stderr } = await run([
      'algo',
      'run',
      pictures,
      pictures,
      '--crash-limit',
      '2',
      ...odd('crash', '0'),
    ]);
    expect(status).toBe(5);
    expect(stderr).not.toContain('frames go on');
    expect(occurrences(stderr, 'is not started again')).toBe(1);
    expect(stdout).toMatch(/0 OK, 0 NG, \d without a verdict, \d not looked at/);
  });

  it('counts answers no one waited for', async () => {
    const { stderr } = await run(['algo', 'run', pictures, ...odd('duplicate', '2')]);
    expect(stderr).toMatch(/^warn: .*2 stray answers: .*1 second.*1 to/m);
  });
});

describe('algo check', () => {
  it('counts them too', async () => {
    const { status, stdout } = await run(['algo', 'check', ...odd('duplicate', '1')]);
    expect(stdout).toMatch(/^warning +stdout .*2 stray answers/m);
    // It says OK to the pictures that are not whole as well.
    expect(status).toBe(5);
  });

  it('shows the log of an adapter that crashes', async () => {
    const { stderr } = await run(['algo', 'check', ...odd('crash', '1')]);
    expect(stderr).toMatch(/^algorithm: .*odd\.mjs:\d+/m);
  });

  it('keeps to itself what an adapter logs that does well', async () => {
    const { status, stderr } = await run(['algo', 'check', '--', 'python3', EXAMPLE_PYTHON]);
    expect([status, stderr]).toEqual([0, '']);
  });

  it('shows what a program says that is no adapter', async () => {
    const { stdout } = await run(['algo', 'check', ...odd('print-and-exit')]);
    expect(stdout).toMatch(/^FAILED +hello .*before it said hello.*wrote to stdout what is no message: "hi/m);
  });
});
