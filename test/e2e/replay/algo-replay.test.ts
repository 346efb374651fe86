/** `algo replay` and `annotate` on a recording. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { reportLines } from '../../../src/cli/lines.js';
import { readWhole } from '../../support/recording.js';
import { type Ended, type JsonLine, Program, run } from '../program/program.js';
import { useScratch } from '../program/support.js';

const scratch = useScratch();
const FRAMES = 8;
const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const ADAPTER = path('runner/fixtures/adapter.mjs');
/** OK of all frames; NG of those with odd numbers. */
const ALL_OK = ['--', process.execPath, path('program/adapters/paced.mjs'), '1'];
const ODD_NG = [...ALL_OK, 'odd-ng'];
const ODD = [1, 3, 5, 7];
let file = '';
/** Without an algorithm. */
let plain = '';
/** Attaches its number to each frame. */
let script = '';
const TAGS = `from frame_channel import frame, run
count = 0

def look(image):
    global count
    count += 1
    frame.tag({"count": count})

run(look)
`;

async function record(to: string, algorithm: readonly string[]): Promise<void> {
  const words = ['--port', 'virtual', '--script', script, '--camera-id', 'left', '--no-shm'];
  const recording = ['--record', to, '--frames', String(FRAMES)];
  const every = algorithm.length === 0 ? [] : ['--delivery', 'every', ...algorithm];
  const { status, stderr } = await run([...words, ...recording, ...every]);
  expect(status, stderr).toBe(0);
}

beforeAll(async () => {
  script = scratch.path('tags.py');
  await writeFile(script, TAGS);
  file = scratch.path('run.mcap');
  plain = scratch.path('plain.mcap');
  await record(file, ODD_NG);
  await record(plain, []);
});

const replayed = (recording: string, ...words: string[]): Promise<Ended> =>
  run(['algo', 'replay', recording, ...words]);

const metaOf = (line: JsonLine): unknown => line['data'].debug.call.guide_image_meta;

describe('algo replay', () => {
  it('none changed: 0; also with several workers', async () => {
    const { status, stdout, stderr } = await replayed(file, '--workers', '2', ...ODD_NG);
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(`0 of ${FRAMES} verdicts changed\n`);
  });

  it('some changed: 1, in a table with the reason then', async () => {
    const { status, stdout, stderr } = await replayed(file, ...ALL_OK);
    expect(status, stderr).toBe(1);
    const [head, ...rows] = stdout.trimEnd().split('\n');
    expect(head!.trim().split(/ +/)).toEqual(['sequence', 'then', 'now', 'reason']);
    expect(rows.slice(0, -1).map((row) => row.trim().split(/ {2,}/))).toEqual(
      ODD.map((sequence) => [String(sequence), 'NG', 'OK', 'then: odd']),
    );
    expect(rows.at(-1)).toBe(`${ODD.length} of ${FRAMES} verdicts changed`);
  });

  it('as JSON lines: the results, each change, and how many', async () => {
    const program = new Program(['algo', 'replay', file, '--json', ...ALL_OK]);
    expect((await program.ended).status, program.stderr).toBe(1);
    expect(
      program.of('result').map((line) => [line['cameraId'], line['sequence'], line['resultStatus']]),
    ).toEqual(Array.from({ length: FRAMES }, (_, index) => ['left', index + 1, 'OK']));
    expect(program.of('change')).toMatchObject(
      ODD.map((sequence) => ({ cameraId: 'left', sequence, recorded: 'NG', now: 'OK', reason: 'then: odd' })),
    );
    for (const line of program.of('change')) expect(reportLines.change.safeParse(line).error).toBeUndefined();
    const last = program.lines.at(-1);
    expect(reportLines.comparison.safeParse(last).error).toBeUndefined();
    expect(last).toMatchObject({ frames: FRAMES, compared: FRAMES, changed: ODD.length, failed: 0 });
  });

  it('the algorithm is told of each frame what it was told then', async () => {
    const program = new Program(['algo', 'replay', file, '--json', ...ODD_NG]);
    expect((await program.ended).status, program.stderr).toBe(0);
    const recorded = await readWhole(file);
    const then = recorded.filter(({ topic }) => topic === '/left/result').map(({ value }) => metaOf(value));
    expect(program.of('result').map(metaOf)).toEqual(then);
    expect(then).toHaveLength(FRAMES);
    expect(then.at(-1)).toMatchObject({ data: { count: expect.any(Number) } });
  });

  it('no verdict, or no algorithm: 5', async () => {
    const broken = ['--', process.execPath, '-e', 'process.exit(3)'];
    expect((await replayed(file, ...broken)).status).toBe(5);
    const failing = await replayed(file, '--', process.execPath, ADAPTER, 'error-1009');
    expect(failing.status, failing.stdout + failing.stderr).toBe(5);
    expect(failing.stdout).toContain(
      `${FRAMES} of ${FRAMES} verdicts changed, ${FRAMES} without a verdict now`,
    );
  });

  it('a recording without results: the results of today, said', async () => {
    const { status, stdout, stderr } = await replayed(plain, ...ODD_NG);
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(`0 of 0 verdicts changed, ${FRAMES} frames without a recorded result\n`);
    expect(stderr).toMatch(/no results of these frames: nothing was compared/);
  });

  it('of two cameras, those frames that are wanted: by camera, sequence and time', async () => {
    const two = scratch.path('two.mcap');
    const config = scratch.path('two.json');
    const cameras = ['left', 'right'].map((cameraId) => ({ port: 'virtual', cameraId }));
    const common = { shm: false, frames: FRAMES, delivery: 'every', record: two, runner: ODD_NG.slice(1) };
    await writeFile(config, JSON.stringify({ ...common, cameras }));
    const live = await run(['--config', config]);
    expect(live.status, live.stderr).toBe(0);
    const frames = (await readWhole(two)).filter(({ topic }) => topic.endsWith('/frame'));
    expect(frames).toHaveLength(2 * FRAMES);

    const compared = async (...words: string[]): Promise<{ results: string[]; changes: string[] }> => {
      const program = new Program(['algo', 'replay', two, '--json', ...words, ...ALL_OK]);
      const { status, stderr } = await program.ended;
      const [results, changes] = ['result', 'change'].map((type) =>
        program
          .of(type)
          .map((line) => `${line['cameraId']} ${line['sequence']}`)
          .sort(),
      ) as [string[], string[]];
      expect(status, stderr).toBe(changes.length > 0 ? 1 : 0);
      return { results, changes };
    };
    const of = (camera: string, sequences: readonly number[]) => sequences.map((one) => `${camera} ${one}`);
    expect(await compared('--camera-id', 'right', '--sequence', '2-5')).toEqual({
      results: of('right', [2, 3, 4, 5]),
      changes: of('right', [3, 5]),
    });
    expect(await compared('--sequence', '-3')).toEqual({
      results: [...of('left', [1, 2, 3]), ...of('right', [1, 2, 3])],
      changes: [...of('left', [1, 3]), ...of('right', [1, 3])],
    });
    // Times count from the first frame of the cameras that are wanted.
    const left = frames.filter(({ topic }) => topic === '/left/frame').map(({ logTime }) => Number(logTime));
    const between = (left[4]! + left[5]!) / 2 - left[0]!;
    const early = await compared('--camera-id', 'left', '--time', `-${(between / 1e9).toFixed(6)}`);
    expect(early.results).toEqual(of('left', [1, 2, 3, 4, 5]));
  });

  it('says what is wrong', async () => {
    for (const range of [
      ['--camera-id', 'right'],
      ['--sequence', '90-'],
      ['--time', '600-'],
    ]) {
      const other = await replayed(file, ...range, ...ALL_OK);
      expect(other.stderr).toMatch(/None of the 8 frames in .*run\.mcap is wanted/);
      expect(other.status).toBe(2);
    }
    const cut = scratch.path('cut.mcap');
    await writeFile(cut, (await readFile(file)).subarray(0, 100));
    const none = await replayed(cut, ...ALL_OK);
    expect(none.stderr).toMatch(/There are no frames in .*cut\.mcap/);
    expect(none.status).toBe(2);
    const text = await replayed(fileURLToPath(import.meta.url), ...ALL_OK);
    expect(text.stderr).toMatch(/is no MCAP recording/);
    expect(text.status).toBe(2);
    const missing = await replayed(scratch.path('missing.mcap'), ...ALL_OK);
    expect(missing.stderr).toMatch(/no such file/);
    expect(missing.status).toBe(6);
    expect((await replayed(file)).stderr).toMatch(/algorithm behind --/);
  });
});

describe('annotate', () => {
  it('draws the recorded results onto the recorded frames', async () => {
    const out = scratch.path('drawn');
    const { status, stderr } = await run(['annotate', file, '--out', out]);
    expect(status, stderr).toBe(0);
    expect(stderr).toContain(`${FRAMES} pictures in`);
    const names = (await readdir(out)).sort();
    expect(names).toEqual(Array.from({ length: FRAMES }, (_, index) => `left-0000000${index + 1}.jpg`));
    const frames = scratch.path('frames');
    expect((await run(['export', file, '--to', frames])).status).toBe(0);
    for (const name of names.slice(0, 2)) {
      const [before, after] = await Promise.all(
        [frames, out].map((folder) => sharp(join(folder, name)).raw().toBuffer({ resolveWithObject: true })),
      );
      expect([after!.info.width, after!.info.height]).toEqual([before!.info.width, before!.info.height]);
      // The left edge of the defect of odd frames, from (40, 80) to (40, 140).
      const { width, channels } = after!.info;
      const differs = Array.from({ length: 50 }, (_, index) => {
        const at = ((85 + index) * width + 40) * channels;
        const [was, is] = [before!, after!].map(({ data }) => data.subarray(at, at + channels));
        return is!.some((value, channel) => Math.abs(value - was![channel]!) > 40);
      }).filter(Boolean).length;
      if (name.endsWith('1.jpg')) expect(differs, name).toBeGreaterThan(25);
      else expect(differs, name).toBeLessThan(10);
    }
  });

  it('says what is wrong', async () => {
    const none = await run(['annotate', plain, '--out', scratch.path('none')]);
    expect(none.stderr).toMatch(/no result of a frame/);
    expect(none.status).toBe(2);
    const frames = await run([
      'annotate',
      file,
      '--frames',
      scratch.path('x'),
      '--out',
      scratch.path('none'),
    ]);
    expect(frames.stderr).toMatch(/omit --frames/);
    expect(frames.status).toBe(2);
  });
});
