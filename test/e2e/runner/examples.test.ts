import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALECTS, type ImageReference } from '../../../src/adapter/dialects.js';
import { needed } from '../../support/needs.js';
import { failure, observe, picture, verdict } from './support.js';

const tool = (name: string) => fileURLToPath(new URL(`../../../tools/algorithms/${name}`, import.meta.url));
const EXAMPLES: [string, string[]][] = [
  ['Python', ['python3', tool('example_algorithm.py')]],
  ['Node', [process.execPath, tool('example_algorithm.mjs')]],
];
const WIDTH = 96;
const HEIGHT = 64;

let directory: string;
let plain: Buffer;
let busy: Buffer;

/** A JPEG of noise: the more of it, the more bytes it takes. */
async function jpeg(contrast: number): Promise<Buffer> {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  let seed = 1;
  for (let at = 0; at < pixels.length; at += 1) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    pixels[at] = 128 + ((seed >> 16) % contrast) - contrast / 2;
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .jpeg()
    .toBuffer();
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'example-algorithm-'));
  plain = await jpeg(40);
  busy = await jpeg(120);
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** Puts a picture where the adapter looks for it. */
function put(bytes: Buffer, more: Partial<ImageReference> = {}): ImageReference {
  const image = picture({ width: WIDTH, height: HEIGHT, ...more });
  writeFileSync(join(directory, `${image.id.replace(/[^a-zA-Z0-9._-]/gu, '_')}.bin`), bytes);
  return image;
}

describe.each(EXAMPLES)('the example in %s', (_language, command) => {
  const open = async (more: Parameters<typeof observe>[1] = {}) => {
    const observed = observe(command, { imageDirectory: directory, ...more });
    await observed.runner.start();
    return observed;
  };

  it.each(DIALECTS)('answers calls of the dialect %s', async (dialect) => {
    const { call } = await open({ dialect });
    const result = verdict(await call({ image: put(plain) }));
    expect(result).toMatchObject({ outcome: 'ok', flags: [], data: { step_index: 1 } });
    expect(result.debug).toEqual({ bytes: plain.length, mean_bytes: plain.length, deviation: 0 });
  });

  it('finds the picture that is unlike the others', async () => {
    const { call } = await open();
    for (let n = 0; n < 6; n += 1) {
      expect((await call({ image: put(plain) })).outcome).toBe('ok');
    }
    const odd = verdict(await call({ image: put(busy) }));
    expect(odd).toMatchObject({
      outcome: 'ng',
      flags: [],
      defectRects: [{ x: 0, y: 0, width: WIDTH, height: HEIGHT, label: 'size' }],
    });
    expect(odd.ngReason).toContain(`${busy.length} bytes`);
    expect(odd.ngReason).toContain(`more than the mean of ${plain.length}`);
  });

  it('goes by the user parameter', async () => {
    const { call } = await open({ settings: { userParams: { max_deviation: 100 } } });
    for (let n = 0; n < 6; n += 1) await call({ image: put(plain) });
    expect((await call({ image: put(busy) })).outcome).toBe('ok');
  });

  it('keeps cameras apart', async () => {
    const { call } = await open();
    for (let n = 0; n < 6; n += 1) await call({ image: put(plain) });
    expect((await call({ image: put(busy, { cameraId: 'other' }) })).outcome).toBe('ok');
  });

  it('finds files by the name rule', async () => {
    const { call } = await open();
    expect((await call({ image: put(plain, { id: 'dev-shm:cam/1 \u{1F4F7}.7' }) })).outcome).toBe('ok');
  });

  it('never judges a picture it cannot trust', async () => {
    const { call, runner, logs } = await open();
    const cases: [ImageReference, string][] = [
      [picture({ id: 'not-there' }), 'cannot be read'],
      [put(plain.subarray(0, plain.length - 2)), 'truncated'],
      [put(plain.subarray(0, 1)), 'does not begin'],
      [put(Buffer.alloc(0)), 'does not begin'],
      [put(Buffer.from('GIF89a')), 'does not begin'],
      [put(Buffer.from([0xff, 0xd8, 0xff, 0xd9])), 'no JPEG frame header'],
      [
        put(Buffer.concat([plain.subarray(0, 2), Buffer.alloc(40, 7), plain.subarray(-2)])),
        'no JPEG frame header',
      ],
      [put(plain, { width: WIDTH + 1 }), 'were announced'],
    ];
    for (const [image, said] of cases) {
      const { error } = failure(await call({ image }));
      expect(error.message).toContain(said);
      expect(error.context).toMatchObject({ errorCode: '1002' });
    }
    expect((await call({ image: put(Buffer.concat([plain, Buffer.alloc(3)])) })).outcome).toBe('ok');
    await runner.close();
    expect(logs.filter((line) => line.level === 'error')).toHaveLength(cases.length);
  });

  it('answers pings and ends when asked to', async () => {
    const { runner, problems } = await open({
      timings: { heartbeatIntervalMs: 20, heartbeatGraceMs: 5_000 },
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await runner.close();
    expect(problems).toEqual([]);
  });
});

it('both examples give the same answers', async () => {
  const pictures = [plain, plain, plain, busy, plain, plain, plain, busy, busy, plain].map((bytes) =>
    put(bytes),
  );
  const answers = await Promise.all(
    EXAMPLES.map(async ([, command]) => {
      const { call, runner } = observe(command, { imageDirectory: directory });
      await runner.start();
      const results = [];
      for (const image of pictures) results.push(verdict(await call({ image })).data);
      return results;
    }),
  );
  expect(answers[0]!.some((data) => data['result_status'] === 'NG')).toBe(true);
  expect(answers[0]).toEqual(answers[1]);
});

it('the Python example keeps to Python 3.9', () => {
  const script = 'import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))';
  execFileSync(needed('python3'), ['-c', script, tool('example_algorithm.py')]);
});
