/** Previews: what their bytes say, and their pixels from the formats of the firmware. */
import { expect, it } from 'vitest';
import { PreviewFormat, readPreview } from '../../../src/frames/preview.js';
import { previewPixels } from '../../../src/frames/preview-pixels.js';
import { previewBytes } from '../../fakes/preview-channel.js';

async function pixels(format: number, width: number, height: number, data: readonly number[]) {
  const preview = readPreview(previewBytes({ format, width, height, data: Uint8Array.from(data) }));
  if ('problem' in preview) throw new Error(preview.problem);
  const made = await previewPixels(preview);
  return made && { channels: made.channels, data: [...made.data] };
}

it('RGB565 is little-endian, and its five and six bits become eight', async () => {
  // Red, green, blue, white, black, and 0x1234: red 2, green 17, blue 20.
  const data = [0x00, 0xf8, 0xe0, 0x07, 0x1f, 0x00, 0xff, 0xff, 0x00, 0x00, 0x34, 0x12];
  expect(await pixels(PreviewFormat.RGB565, 3, 2, data)).toEqual({
    channels: 3,
    data: [
      ...[255, 0, 0],
      ...[0, 255, 0],
      ...[0, 0, 255],
      ...[255, 255, 255],
      ...[0, 0, 0],
      ...[16, 69, 165],
    ],
  });
});

it('grayscale is taken as it is; one-bit rows begin on a word, the first pixel in the lowest bit', async () => {
  expect(await pixels(PreviewFormat.GRAYSCALE, 2, 2, [1, 2, 3, 255])).toEqual({
    channels: 1,
    data: [1, 2, 3, 255],
  });
  expect(await pixels(PreviewFormat.BINARY, 3, 2, [0b101, 0, 0, 0, 0b010, 0, 0, 0])).toEqual({
    channels: 1,
    data: [255, 0, 255, 0, 255, 0],
  });
});

it.each([
  ['YUYV', PreviewFormat.YUV422, [76, 85, 76, 255, 29, 255, 29, 107]],
  ['YVYU', PreviewFormat.YVU422, [76, 255, 76, 85, 29, 107, 29, 255]],
])('%s: the colour of each two pixels, over the full range', async (_name, format, data) => {
  const made = await pixels(format, 2, 2, data);
  const [red, , blue] = [made!.data.slice(0, 3), made!.data.slice(3, 6), made!.data.slice(6, 9)];
  expect(red[0]).toBeGreaterThan(250);
  expect(Math.max(red[1]!, red[2]!)).toBeLessThan(5);
  expect(blue[2]).toBeGreaterThan(250);
  expect(Math.max(blue[0]!, blue[1]!)).toBeLessThan(5);
});

it.each([
  ['BGGR', PreviewFormat.BAYER_BGGR, 'BGGR'],
  ['GBRG', PreviewFormat.BAYER_GBRG, 'GBRG'],
  ['GRBG', PreviewFormat.BAYER_GRBG, 'GRBG'],
  ['RGGB', PreviewFormat.BAYER_RGGB, 'RGGB'],
])('Bayer %s: a plain colour comes out as it is, up to the edges', async (_name, format, order) => {
  const colour = { R: 200, G: 120, B: 40 } as const;
  const size = 5;
  const data = Array.from({ length: size * size }, (_, at) => {
    const [x, y] = [at % size, Math.floor(at / size)];
    return colour[order[(y % 2) * 2 + (x % 2)] as keyof typeof colour];
  });
  const made = await pixels(format, size, size, data);
  const seen = new Set<string>();
  for (let at = 0; at < made!.data.length; at += 3) seen.add(made!.data.slice(at, at + 3).join());
  expect([...seen]).toEqual(['200,120,40']);
});

it('what has no pixels of its own is a JPEG or PNG, of the length in the header', async () => {
  const bytes = previewBytes({
    format: PreviewFormat.JPEG,
    width: 8,
    height: 8,
    data: Uint8Array.of(1, 2, 3),
  });
  const preview = readPreview(bytes);
  expect(preview).toMatchObject({ width: 8, height: 8, data: Buffer.of(1, 2, 3) });
  expect('problem' in preview || (await previewPixels(preview))).toBeUndefined();
});

const written = (bytes: Buffer, value: number, at: number): Buffer => {
  bytes.writeUInt32LE(value, at);
  return bytes;
};

it.each([
  ['too short', (bytes: Buffer) => bytes.subarray(0, 20)],
  ['no pixels', (bytes: Buffer) => written(bytes, 0, 0)],
  ['more pixels than any sensor', (bytes: Buffer) => written(bytes, 0xffff_ffff, 0)],
  ['an unknown format', (bytes: Buffer) => written(bytes, 0x0809_0001, 8)],
  ['data that lies in the header', (bytes: Buffer) => written(bytes, 8, 16)],
  ['data beyond the end', (bytes: Buffer) => written(bytes, 0x7fff_fff0, 16)],
  ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
])('no preview: %s', (_name, spoil) => {
  const bytes = previewBytes({ format: PreviewFormat.RGB565, width: 4, height: 4, data: new Uint8Array(32) });
  expect(readPreview(spoil(bytes))).toHaveProperty('problem');
});
