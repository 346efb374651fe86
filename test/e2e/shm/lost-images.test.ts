/** The directory of image files vanishes while an algorithm works: made again, told once, and verdicts go on. */
import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstValueFrom } from 'rxjs';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { type BridgeEvent, openBridge } from '../../../src/index.js';
import { type JsonLine, Program } from '../program/program.js';
import { EXAMPLE_NODE } from '../program/support.js';
import { temporaryDirectory, uniqueName } from './support.js';

const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));

/** The run's own directory, while it has one. */
function privateDirectory({ pid }: Program): string {
  const own = new RegExp(`^openmv-bridge-${pid}-\\w{6}$`);
  return join('/dev/shm', readdirSync('/dev/shm').find((name) => own.test(name))!);
}

/** At one moment, also while files are being put into it. */
function vanish(directory: string): void {
  renameSync(directory, `${directory}-gone`);
  rmSync(`${directory}-gone`, { recursive: true });
}

const start = (args: readonly string[], algorithm: readonly string[]): Program =>
  new Program([
    '--port',
    'virtual',
    '--virtual-fps',
    '30',
    '--json',
    ...args,
    '--',
    process.execPath,
    ...algorithm,
  ]);

const isVerdict = (line: JsonLine): boolean => line.type === 'result' && line['status'] === 'OK';

/** Until the program has given so many verdicts about frames after that one. */
async function verdicts(program: Program, count: number, after: number): Promise<void> {
  let seen = 0;
  await program.line((line) => isVerdict(line) && line['sequence'] > after && ++seen >= count);
}

/** Each frame has one outcome, and the last figures say the same. */
function expectOneOutcomeEach(program: Program): void {
  const frames = program.of('frame').map((line) => line['sequence']);
  const outcomes = [...program.of('result'), ...program.of('skipped')].map((line) => line['sequence']);
  expect(outcomes.sort((a, b) => a - b)).toEqual(frames);
  expect(program.of('stats').at(-1)!['algorithm']).toMatchObject({ pending: 0 });
}

async function stop(program: Program): Promise<void> {
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
}

describe.each(['its own', 'a given'])('%s directory', (kind) => {
  test.each(['latest', 'every'])('is there again, and verdicts go on (--delivery %s)', async (delivery) => {
    const given = temporaryDirectory();
    const place = kind === 'a given' ? ['--image-dir', given] : [];
    const program = start(['--no-shm', '--delivery', delivery, ...place], [EXAMPLE_NODE]);
    await verdicts(program, 3, 0);
    const dir = kind === 'a given' ? given : privateDirectory(program);
    for (const round of [1, 2]) {
      vanish(dir);
      await program.line(() => program.of('recovered').length >= round);
      await verdicts(program, 5, program.of('frame').at(-1)!['sequence']);
      // Once for each time that it vanishes.
      expect(program.of('error')).toHaveLength(round);
    }
    // A few frames were on their way; a black picture got no verdict.
    const failed = program.of('result').filter((line) => line['status'] !== 'OK');
    expect(failed.length).toBeLessThanOrEqual(6);
    for (const { error } of failed) expect(['SHM_FAILED', 'ALGORITHM_FAILED']).toContain(error.code);
    await stop(program);
    for (const error of program.of('error')) {
      expect(error).toMatchObject({ code: 'SHM_FAILED', message: expect.stringContaining(dir) });
    }
    expect(program.of('recovered')).toMatchObject([
      { sink: 'algorithm', lost: 0 },
      { sink: 'algorithm', lost: 0 },
    ]);
    expectOneOutcomeEach(program);
    expect(program.stderr.match(/removed the directory of image files/g)).toHaveLength(2);
    // Nothing of it is left.
    expect(
      kind === 'a given' ? readdirSync(given) : readdirSync('/dev/shm').filter((name) => dir.endsWith(name)),
    ).toEqual([]);
  });
});

test('the event of it names the sink, as the one that it is over does', async () => {
  const imageDir = temporaryDirectory();
  const bridge = await openBridge({
    ...{ port: 'virtual', shm: false, imageDir },
    runner: [process.execPath, EXAMPLE_NODE],
  });
  const told: BridgeEvent[] = [];
  bridge.events$.subscribe((event) => {
    if (event.type === 'error' || event.type === 'recovered') told.push(event);
  });
  await firstValueFrom(bridge.results$);
  vanish(imageDir);
  await expect.poll(() => told.length, { timeout: 30_000 }).toBe(2);
  await bridge.close();
  expect(told).toMatchObject([
    { type: 'error', sink: 'algorithm', error: { code: 'SHM_FAILED' } },
    { type: 'recovered', sink: 'algorithm', lost: 0 },
  ]);
});

test.each(['FILE', 'previous-ok'])(
  'the reference image comes back as well (--reference %s)',
  async (reference) => {
    const file = join(temporaryDirectory(), 'reference.jpg');
    await sharp({ create: { width: 8, height: 8, channels: 3, background: 'grey' } })
      .jpeg()
      .toFile(file);
    const args = ['--shm-name', uniqueName(), '--reference', reference.replace('FILE', file)];
    const program = start([...args, '--dialect', 'execute'], [PACED, '1']);
    await verdicts(program, 3, 0);
    vanish(privateDirectory(program));
    await program.line(({ type }) => type === 'recovered');
    await verdicts(program, 10, program.of('frame').at(-1)!['sequence']);
    await stop(program);
    expect(program.of('error')).toHaveLength(1);
    // The algorithm found the files of every frame that has a verdict.
    const results = program.of('result').filter(isVerdict);
    expect(results.every(({ data }) => data.debug.files.every(Boolean))).toBe(true);
    expectOneOutcomeEach(program);
  },
);

test('one that cannot be made again fails frames until it can; closing meanwhile leaves nothing', async () => {
  const program = start(['--no-shm'], [EXAMPLE_NODE]);
  await verdicts(program, 3, 0);
  const dir = privateDirectory(program);
  vanish(dir);
  writeFileSync(dir, '');
  await program.line(({ type, code }) => type === 'error' && code === 'FILE_FAILED');
  rmSync(dir);
  const { lost } = await program.line(({ type }) => type === 'recovered');
  expect(lost).toBeGreaterThan(0);
  await verdicts(program, 3, program.of('frame').at(-1)!['sequence']);
  vanish(dir);
  await stop(program);
  expectOneOutcomeEach(program);
  expect(readdirSync('/dev/shm').filter((name) => name.includes(`-${program.pid}-`))).toEqual([]);
});
