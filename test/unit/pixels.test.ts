/** Decoded pixels of every format, against a second way to the same pixels. */
import fc from 'fast-check';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodePixels, PIXEL_FORMATS, type PixelFormat } from '../../src/pixels.js';

/** Luma as Pillow's `L` has it: BT.601 in 16-bit fixed point. */
const luma = (r: number, g: number, b: number): number =>
  (19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16;

/** Each pixel of the formats, out of red, green and blue. */
const EXPECTED: Record<PixelFormat, (r: number, g: number, b: number) => number[]> = {
  RGB3: (r, g, b) => [r, g, b],
  BGR3: (r, g, b) => [b, g, r],
  RGBA: (r, g, b) => [r, g, b, 255],
  GREY: (r, g, b) => [luma(r, g, b)],
};

async function expectAll(jpeg: Buffer, width: number, height: number): Promise<void> {
  const rgb = await sharp(jpeg).toColourspace('srgb').raw().toBuffer();
  for (const [format, pixel] of Object.entries(EXPECTED) as [PixelFormat, (typeof EXPECTED)[PixelFormat]][]) {
    const found = await decodePixels(jpeg, format);
    const channels = PIXEL_FORMATS[format];
    expect(found).toMatchObject({ width, height, channels });
    let worst = 0;
    for (let i = 0; i < width * height; i++) {
      const expected = pixel(rgb[3 * i]!, rgb[3 * i + 1]!, rgb[3 * i + 2]!);
      for (let c = 0; c < channels; c++) {
        worst = Math.max(worst, Math.abs(found.data[i * channels + c]! - expected[c]!));
      }
    }
    expect({ format, close: worst <= (format === 'GREY' ? 1 : 0) }).toEqual({ format, close: true });
  }
}

const picture = fc
  .record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
    channels: fc.constantFrom(1 as const, 3 as const),
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    quality: fc.integer({ min: 1, max: 100 }),
    chromaSubsampling: fc.constantFrom('4:4:4', '4:2:0'),
  })
  .map(({ width, height, channels, seed, quality, chromaSubsampling }) => {
    let state = seed;
    const raw = Buffer.from(
      Array.from({ length: width * height * channels }, () => {
        state = (state * 48_271) % 0x7fff_ffff;
        return state & 0xff;
      }),
    );
    return { width, height, channels, raw, jpeg: { quality, chromaSubsampling } };
  });

test('every format of any JPEG is what red, green and blue say; grey is within 1 of the luma', async () => {
  await fc.assert(
    fc.asyncProperty(picture, async ({ width, height, channels, raw, jpeg }) => {
      const plain = sharp(raw, { raw: { width, height, channels } });
      const picture = channels === 1 ? plain.toColourspace('b-w') : plain;
      await expectAll(await picture.jpeg(jpeg).toBuffer(), width, height);
    }),
    { numRuns: 60 },
  );
});

test('colour bars have the grey of BT.601', async () => {
  const bars = [
    [255, 255, 255],
    [255, 255, 0],
    [0, 255, 255],
    [0, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
    [0, 0, 255],
    [0, 0, 0],
  ] as const;
  const [width, height] = [16 * bars.length, 16];
  const raw = Buffer.from(
    Array.from({ length: width * height }, (_, i) => [...bars[(i % width) >> 4]!]).flat(),
  );
  const jpeg = await sharp(raw, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .toBuffer();
  await expectAll(jpeg, width, height);
  const { data } = await decodePixels(jpeg, 'GREY');
  const greys = bars.map((_, bar) => data[8 * width + 16 * bar + 8]!);
  for (const [bar, grey] of greys.entries())
    expect(Math.abs(grey - luma(...(bars[bar] as unknown as [number, number, number])))).toBeLessThanOrEqual(
      2,
    );
  // Red, which a mean in linear light would make 127.
  expect(greys[5]).toBeLessThan(80);
});

test('a JPEG that is cut short is refused when it must be whole', async () => {
  const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  const cut = jpeg.subarray(0, jpeg.length - 20);
  await expect(decodePixels(cut, 'RGB3', { whole: true })).rejects.toMatchObject({ code: 'FRAME_CORRUPT' });
  await expect(decodePixels(Buffer.of(1, 2), 'RGB3')).rejects.toMatchObject({ code: 'FRAME_CORRUPT' });
});

test('several who want the same pixels of a frame at the same time share one decoding', async () => {
  const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  const [one, other] = await Promise.all([decodePixels(jpeg, 'RGB3'), decodePixels(jpeg, 'NATIVE')]);
  expect(other).toBe(one);
  const [swapped, grey] = await Promise.all([decodePixels(jpeg, 'BGR3'), decodePixels(jpeg, 'GREY')]);
  expect([...swapped.data.subarray(0, 3)]).toEqual([...one.data.subarray(0, 3)].reverse());
  expect(grey.data).toHaveLength(64 * 64);
  expect(await decodePixels(jpeg, 'RGB3')).not.toBe(one);
});
