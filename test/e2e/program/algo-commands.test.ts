/** `algo check`, `algo run` and `annotate`: algorithms without a camera. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { type JsonLine, Program, run } from './program.js';
import { EXAMPLE_NODE, EXAMPLE_PYTHON, PORT, useScratch } from './support.js';

const scratch = useScratch();
const fixture = (name: string) => fileURLToPath(new URL(`../runner/fixtures/${name}`, import.meta.url));
const COMPARE = fileURLToPath(new URL('../../../tools/algorithms/compare_algorithm.mjs', import.meta.url));
const sdk = (...args: string[]): string[] => ['--', 'python3', fixture('sdk_adapter.py'), ...args];
const wire = (...args: string[]): string[] => ['--', process.execPath, fixture('adapter.mjs'), ...args];
const compare = ['--', process.execPath, COMPARE];

type Steps = Record<string, { status: string; text: string }>;

function steps(report: JsonLine): Steps {
  return Object.fromEntries(report['steps'].map((step: { name: string }) => [step.name, step]));
}

async function check(args: readonly string[]): Promise<{ status: number | null; report: JsonLine }> {
  const { status, stdout } = await run(['algo', 'check', '--json', ...args]);
  return { status, report: JSON.parse(stdout) };
}

describe('algo check', () => {
  it.each([
    ['the Python example', ['--', 'python3', EXAMPLE_PYTHON]],
    ['the Node example', ['--', process.execPath, EXAMPLE_NODE]],
    ['one of openmv-bridge/algorithm', compare],
  ])('finds nothing wrong with %s', async (_name, command) => {
    const { status, report } = await check(command);
    expect(status).toBe(0);
    expect(report).toMatchObject({ type: 'check', ok: true, dialect: 'execute' });
    const names = ['hello', 'ping', 'call', 'truncated image', 'missing image', 'shutdown', 'stdout'];
    expect(report['steps'].map((step: { name: string }) => step.name)).toEqual(names);
    for (const name of names) expect(steps(report)[name]!.status, name).toBe('ok');
  });

  it('fails an adapter that calls pictures OK that are not there', async () => {
    const { status, report } = await check(wire(''));
    expect(status).toBe(5);
    expect(report['ok']).toBe(false);
    const text = expect.stringMatching(/verdict OK .*status "ERROR".*1002/);
    expect(steps(report)).toMatchObject({
      call: { status: 'ok' },
      'truncated image': { status: 'failed', text },
      'missing image': { status: 'failed', text },
      shutdown: { status: 'ok' },
    });
  });

  it('warns where only the black picture of the SDK is wrong', async () => {
    const { status, report } = await check(sdk('0.0'));
    expect(status).toBe(0);
    const text = expect.stringMatching(/verdict OK .*all-black image.*status "ERROR".*1002/);
    expect(steps(report)).toMatchObject({
      pre: { status: 'ok' },
      call: { status: 'ok' },
      'truncated image': { status: 'warning', text },
      'missing image': { status: 'warning', text },
      shutdown: { status: 'ok' },
    });
  });

  it('warns of an adapter that calls such pictures NG: no bad part passes', async () => {
    const { status, report } = await check(sdk('0.3', 'ng'));
    expect(status).toBe(0);
    expect(steps(report)).toMatchObject({
      'truncated image': { status: 'warning', text: expect.stringContaining('1002') },
      'missing image': { status: 'warning' },
    });
  });

  it.each<[string, string[], string, RegExp]>([
    ['that is silent', ['--startup-timeout', '300', ...sdk('0.3', 'silent')], 'hello', /hello within 300 ms/],
    ['that cannot be found', ['--', '/nowhere/algorithm'], 'hello', /nowhere\/algorithm was not found/],
    ['that exits at its start', sdk('0.3', 'exit-at-start'), 'hello', /No module named 'torch'/],
    ['that answers no ping', wire('no-pong'), 'ping', /no pong/],
    ['that fails in pre', sdk('0.0', 'error-in-pre'), 'pre', /product not supported/],
    ['that hangs in execute', ['--call-timeout', '300', ...sdk('0.3', 'hang')], 'call', /within 300 ms/],
    ['that crashes in execute', sdk('0.3', 'segfault'), 'call', /SIGSEGV/],
    ['that raises', sdk('0.3', 'raise'), 'call', /the lens is dirty/],
    ['that prints', sdk('0.3', 'print'), 'stdout', /debugging the algorithm/],
    ['that answers NaN', sdk('0.3', 'nan'), 'call', /NaN/],
    ['that gives no verdict', sdk('0.3', 'no-status'), 'call', /result_status/],
    ['that does not end', sdk('0.3', 'stubborn'), 'shutdown', /SIGKILL was needed/],
  ])('says what is wrong with an adapter %s, and ends with 5', async (_name, args, name, text) => {
    const { status, report } = await check(args);
    expect(status).toBe(5);
    expect(report['ok']).toBe(false);
    expect(steps(report)[name]).toMatchObject({ status: 'failed', text: expect.stringMatching(text) });
  });

  it('is a report to read without --json', async () => {
    const { status, stdout } = await run(['algo', 'check', ...wire('unknown-type')]);
    expect(status).toBe(5);
    expect(stdout).toMatch(/^ok {7}hello +[\d.]+ ms {2}SDK 9\.9\.9/);
    expect(stdout).toMatch(/warning +stdout .*unknown type "progress"/);
    expect(stdout).toMatch(/FAILED +missing image .*verdict OK/);
    expect(stdout).toMatch(/\d ok, 1 warnings, 2 failed\n$/);
  });

  it('wants a command', async () => {
    const { status, stderr } = await run(['algo', 'check']);
    expect(stderr).toMatch(/behind --/);
    expect(status).toBe(2);
  });
});

it('algo has help of its own, and so have its commands', async () => {
  expect((await run(['algo', '--help'])).stdout).toMatch(/check[\s\S]*run/);
  for (const words of [['algo', 'check'], ['algo', 'run'], ['annotate']]) {
    const { status, stdout } = await run([...words, '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain(`openmv-bridge ${words.join(' ')}`);
  }
});

describe('algo run', () => {
  let good: string;
  let bad: string;
  let pictures: string;

  beforeAll(async () => {
    pictures = scratch.path('pictures');
    await mkdir(pictures);
    const grey = { create: { width: 64, height: 48, channels: 3, background: '#777' } } as const;
    good = join(pictures, 'a-good.jpg');
    bad = join(pictures, 'b-bad.png');
    await sharp(grey).jpeg().toFile(good);
    const spot = { input: Buffer.from('<svg width="16" height="16"><rect width="16" height="16"/></svg>') };
    await sharp(grey)
      .composite([{ ...spot, left: 32, top: 16 }])
      .png()
      .toFile(bad);
  });

  it('all OK: 0', async () => {
    const { status, stdout, stderr } = await run([
      'algo',
      'run',
      good,
      good,
      '--reference',
      good,
      ...compare,
    ]);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^OK +[\d.]+ ms {2}\S+a-good\.jpg\n.*\n2 OK, 0 NG\n$/);
  });

  it('some NG: 1; a directory is the pictures in it, and what is no JPEG is converted', async () => {
    const args = ['algo', 'run', pictures, '--json', '--reference', good, ...compare];
    const program = new Program(args);
    expect((await program.ended).status, program.stderr).toBe(1);
    expect(program.of('result')).toMatchObject([
      { sequence: 1, file: good, resultStatus: 'OK' },
      {
        sequence: 2,
        file: bad,
        resultStatus: 'NG',
        flags: [],
        data: { defect_rects: [{ x: 32, y: 16, width: 16, height: 16, label: 'differs' }] },
      },
    ]);
  });

  it('some without a verdict: 5, named by code', async () => {
    const program = new Program(['algo', 'run', good, '--json', ...sdk('0.3', 'error')]);
    expect((await program.ended).status).toBe(5);
    expect(program.of('result')).toMatchObject([{ resultStatus: null, error: { code: 'ALGORITHM_FAILED' } }]);
    const raised = new Program(['algo', 'run', good, '--json', ...sdk('0.3', 'raise')]);
    expect((await raised.ended).status).toBe(5);
    expect(raised.of('result')[0]!['error']).toMatchObject({
      code: 'ALGORITHM_FAILED',
      algorithmCode: { code: '1009', name: 'execute_exception' },
      message: expect.stringContaining('the lens is dirty'),
    });
  });

  it('an algorithm that cannot be started: 5; pictures that cannot be used: 2', async () => {
    const missing = await run(['algo', 'run', good, '--', '/nowhere/algorithm']);
    expect(missing.status).toBe(5);
    expect(missing.stderr.match(/RUNNER_NOT_FOUND/g)).toHaveLength(1);
    const text = scratch.path('text.jpg');
    await writeFile(text, 'no picture');
    for (const [path, said] of [
      ['/nowhere.jpg', /nowhere\.jpg.*no such file/],
      [text, /text\.jpg.*no image/],
    ] as const) {
      const { status, stderr } = await run(['algo', 'run', path, ...compare]);
      expect(stderr).toMatch(said);
      expect(status).toBe(2);
    }
  });

  it('works in parallel and in order, and draws what it finds', async () => {
    const drawn = scratch.path('algo-drawn');
    const files = [good, bad, good, bad, good, bad];
    const program = new Program([
      ...['algo', 'run', ...files, '--json', '--workers', '2', '--reference', good],
      ...['--save-annotated', drawn, ...compare],
    ]);
    expect((await program.ended).status, program.stderr).toBe(1);
    expect(program.of('result').map((result) => result['file'])).toEqual(files);
    expect(await readdir(drawn)).toHaveLength(6);
    // A second run keeps what the first one drew.
    const second = await run(['algo', 'run', good, '--save-annotated', drawn, ...compare]);
    expect(second.status).toBe(0);
    const [earlier, ...names] = (await readdir(drawn)).sort();
    expect(names).toEqual(['file-00000001.jpg']);
    expect(await readdir(join(drawn, earlier!))).toHaveLength(6);
    expect(second.stderr).toContain(earlier);
    // And none draws over the images themselves.
    const over = await run(['algo', 'run', ...[good, '--save-annotated', dirname(good)], ...compare]);
    expect(over.stderr).toMatch(/Give them another folder/);
    expect(over.status).toBe(2);
  });
});

describe('annotate', () => {
  it('draws what `run --json` printed onto what `run --save` wrote', async () => {
    const frames = scratch.path('annotate-frames');
    const out = scratch.path('annotate-out');
    const lines = scratch.path('results.jsonl');
    const program = new Program([
      ...['--port', PORT, '--json', '--no-shm', '--delivery', 'every', '--frames', '4', '--save', frames],
      ...sdk('0.3', 'ng'),
    ]);
    const { status, stdout } = await program.ended;
    expect(status).toBe(0);
    await writeFile(lines, stdout);
    const drawing = await run(['annotate', lines, '--frames', frames, '--out', out]);
    expect(drawing.stderr).toMatch(/4 pictures in/);
    expect(drawing.status).toBe(0);
    expect((await readdir(out)).sort()).toEqual((await readdir(frames)).sort());
    for (const name of await readdir(out)) {
      expect(await sharp(join(out, name)).metadata()).toMatchObject({
        format: 'jpeg',
        width: 320,
        height: 240,
      });
    }
    const again = await run(['annotate', lines, '--frames', frames, '--out', out]);
    expect(again.status).toBe(0);
    const [first] = (await readdir(out)).filter((name) => name.startsWith('earlier-'));
    expect((await readdir(join(out, first!))).sort()).toEqual((await readdir(frames)).sort());
    expect(again.stderr).toContain(first);
    const over = await run(['annotate', lines, '--frames', frames, '--out', frames]);
    expect(over.status).toBe(2);
    expect(await readdir(frames)).toHaveLength(4);
    const without = await run(['annotate', lines, '--out', out]);
    expect(without.stderr).toMatch(/--frames/);
    expect(without.status).toBe(2);
  });

  it.each([
    ['no results', '{"type": "frame"}\n', /no result/],
    ['a broken line', '{"type": "result"\n', /line 1/],
    ['a result without a number', '{"type": "result", "cameraId": "a"}\n', /sequence/],
    [
      'a camera that is a path',
      '{"type":"result","cameraId":"../../x","sequence":1,"resultStatus":"OK"}\n',
      /cameraId/,
    ],
  ])('refuses %s', async (_name, text, message) => {
    const lines = scratch.path('wrong.jsonl');
    await writeFile(lines, text);
    const { status, stderr } = await run([
      'annotate',
      lines,
      '--frames',
      '/tmp',
      '--out',
      scratch.path('never'),
    ]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});
