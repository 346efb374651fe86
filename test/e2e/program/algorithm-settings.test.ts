/** What calls say, from flags and config files; the reference picture; annotated frames; the log. */
import { mkdir, readdir, realpath, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Program, run } from './program.js';
import { leftovers, PORT, segmentName, useScratch } from './support.js';

const scratch = useScratch();
const PACED = fileURLToPath(new URL('adapters/paced.mjs', import.meta.url));
const paced = (...args: string[]): string[] => ['--', process.execPath, PACED, ...args];
const every = ['--port', PORT, '--json', '--no-shm', '--delivery', 'every'];

const GUIDE = [{ label: 'lid', posList: [{ x: 1, y: 2, width: 3, height: 4 }] }];

describe('per-run settings', () => {
  const expected = {
    pid: 'P-7',
    step_index: 4,
    step_desc: 'lid on',
    guide_info: GUIDE,
    user_params: { threshold: 0.5 },
    session: { id: 'shift-1', context: { product_code: 'PC-1', trace_id: 'T-1' } },
    phase: 'execute',
  };

  it('from flags', async () => {
    const cwd = scratch.path('root');
    await mkdir(cwd);
    const guide = scratch.path('guide.json');
    await writeFile(guide, JSON.stringify(GUIDE));
    const program = new Program([
      ...every,
      ...['--frames', '2', '--pid', 'P-7', '--step-index', '4', '--step-desc', 'lid on'],
      ...['--guide-info', `@${guide}`, '--user-params', '{"threshold": 0.5}'],
      ...['--session-id', 'shift-1', '--product-code', 'PC-1', '--trace-id', 'T-1'],
      ...['--algo-cwd', cwd, '--strict-stdio', ...paced('1')],
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    for (const { data } of program.of('result')) {
      expect(data.debug.call).toMatchObject(expected);
      expect(data.debug.cwd).toBe(await realpath(cwd));
      expect(data.debug.strict).toBe('1');
    }
  });

  it('from a config file, over which flags win', async () => {
    const config = scratch.path('config.json');
    await writeFile(
      config,
      JSON.stringify({
        pid: 'another',
        stepIndex: 4,
        stepDesc: 'lid on',
        guideInfo: GUIDE,
        userParams: { threshold: 0.5 },
        sessionId: 'shift-1',
        productCode: 'PC-1',
        traceId: 'T-1',
        workers: 2,
        results: 'ordered',
      }),
    );
    const program = new Program([
      ...every,
      '--frames',
      '4',
      '--config',
      config,
      '--pid',
      'P-7',
      ...paced('50'),
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    expect(program.of('result')).toHaveLength(4);
    for (const { data } of program.of('result')) {
      expect(data.debug.call).toMatchObject(expected);
      expect(data.debug.strict).toBe('0');
    }
  });

  it.each([
    [['--user-params', '{"a"'], /--user-params.*JSON/s],
    [['--user-params', '[1]'], /--user-params.*must be an object/s],
    [['--user-params', '@/nowhere.json'], /nowhere\.json/],
    [['--guide-info', '[{"label": 1}]'], /--guide-info.*0\.label: must be a string/s],
    [['--step-index', '0'], /--step-index/],
    [['--workers', '0'], /--workers/],
    [['--results', 'random'], /--results.*ordered, unordered/s],
    [['--reference', '/nowhere.jpg'], /nowhere\.jpg.*no such file/s],
  ])('%j is refused with 2', async (flags, message) => {
    const { status, stderr } = await run([...every, '--frames', '1', ...flags, ...paced('1')]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});

describe('--reference', () => {
  it('FILE is the reference picture of every call, with a file of its own to the end', async () => {
    const path = scratch.path('reference.png');
    await sharp({ create: { width: 64, height: 48, channels: 3, background: '#888' } }).toFile(path);
    const shm = segmentName();
    const program = new Program([
      ...['--port', PORT, '--json', '--shm-name', shm, '--delivery', 'every', '--frames', '12'],
      ...['--workers', '2', '--reference', path, ...paced('20')],
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    const calls = program.of('result').map(({ data }) => data.debug);
    expect(calls).toHaveLength(12);
    expect(new Set(calls.map(({ call }) => call.cur_image_shm_id)).size).toBe(1);
    for (const { call, files } of calls) {
      expect(call.cur_image_shm_id).toMatch(/^reference-/);
      expect(call.cur_image_meta).toMatchObject({ width: 64, height: 48 });
      expect(call.guide_image_meta).toMatchObject({ width: 320, height: 240 });
      expect(files).toEqual([true, true]);
    }
    expect(leftovers(shm, program.pid)).toEqual([]);
  });

  it('previous-ok is the last frame that was OK, whose file stays for as long', async () => {
    const program = new Program([
      ...every,
      ...['--frames', '12', '--reference', 'previous-ok', ...paced('1', 'odd-ng')],
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    const numbers = program.of('result').map(({ data }) => {
      const { call, files } = data.debug;
      expect(files).toEqual([true, true]);
      return [call.guide_image_shm_id, call.cur_image_shm_id].map((id: string) => Number(id.slice(-8)));
    });
    // Odd frames are NG. Before the first OK the frame stands in for it.
    expect(numbers).toEqual(
      Array.from({ length: 12 }, (_, index) => {
        const frame = index + 1;
        return [frame, frame <= 2 ? frame : 2 * Math.floor((frame - 1) / 2)];
      }),
    );
  });
});

describe('--save-annotated', () => {
  it('writes every frame with its result; the verdict and the rectangle are drawn', async () => {
    const plain = scratch.path('plain');
    const drawn = scratch.path('drawn');
    const program = new Program([
      ...every,
      ...['--frames', '6', '--save', plain, '--save-annotated', drawn, '--workers', '2'],
      ...paced('30', 'odd-ng'),
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    const names = (await readdir(plain)).sort();
    expect((await readdir(drawn)).sort()).toEqual(names);
    for (const [index, name] of names.entries()) {
      const before = await sharp(join(plain, name)).raw().toBuffer({ resolveWithObject: true });
      const after = await sharp(join(drawn, name)).raw().toBuffer({ resolveWithObject: true });
      expect(after.info).toMatchObject({ width: 320, height: 240, channels: 3 });
      const colour = (x: number, y: number): [number, number, number] => {
        const at = (y * 320 + x) * 3;
        return [after.data[at]!, after.data[at + 1]!, after.data[at + 2]!];
      };
      // The band at the top: green for OK, red for NG; checked at its right, where no text is.
      const [red, green] = colour(310, 8);
      if (index % 2 === 0) expect(red).toBeGreaterThan(green + 60);
      else expect(green).toBeGreaterThan(red + 40);
      // The left edge of the rectangle at 40, 80.
      const [r, g, b] = colour(40, 110);
      const marked = r > g + 80 && r > b + 80;
      expect(marked, `${name}: ${[r, g, b]}`).toBe(index % 2 === 0);
      expect(before.data.equals(after.data)).toBe(false);
    }
  });

  it('that cannot be written is said once, and results go on', async () => {
    const path = scratch.path('drawn-nowhere');
    await mkdir(path);
    const program = new Program([...every, '--frames', '8', '--save-annotated', path, ...paced('20')]);
    await program.line((line) => line.type === 'result');
    await rename(path, `${path}-moved`);
    expect((await program.ended).status, program.stderr).toBe(0);
    expect(program.of('result')).toHaveLength(8);
    expect(program.of('error')).toMatchObject([{ code: 'FILE_FAILED' }]);
  });
});

describe("the algorithm's log", () => {
  it('is shown to people as what it says, and to programs with its fields', async () => {
    const program = new Program([...every, '--frames', '2', ...paced('7')]);
    const { status, stderr } = await program.ended;
    expect(status).toBe(0);
    expect(stderr).toContain('warn: algorithm: paced and ready slow_ms=7\n');
    expect(stderr).not.toContain('"message"');
    expect(program.of('log')).toEqual([
      {
        type: 'log',
        timestampMs: expect.any(Number),
        cameraId: program.of('frame')[0]!['cameraId'],
        worker: 1,
        level: 'warn',
        message: 'paced and ready',
        fields: { slow_ms: 7 },
      },
    ]);
  });
});
