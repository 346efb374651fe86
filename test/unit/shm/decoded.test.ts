import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodePixels, PIXEL_FORMATS, type PixelFormat } from '../../../src/pixels.js';
import { openArrayReader } from '../../../src/shm/arrays/array-reader.js';
import { type DecodedStore, openDecodedArrays, openDecodedVizn } from '../../../src/shm/decoded-store.js';
import { openViznReader } from '../../../src/shm/vizn/vizn-reader.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { closing, expectFailure, startNode, uniqueName } from '../../e2e/shm/support.js';

const WIDTH = 64;
const HEIGHT = 48;

/** A colour picture with something in every channel. */
async function picture(shade: number): Promise<Uint8Array> {
  const raw = Buffer.alloc(WIDTH * HEIGHT * 3);
  for (let i = 0; i < raw.length; i++) raw[i] = (i % 3) * 80 + ((i >> 4) % 64) + (shade % 16);
  return sharp(raw, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}

const grayPicture = async (): Promise<Uint8Array> =>
  sharp(await picture(1))
    .toColourspace('b-w')
    .jpeg()
    .toBuffer();

const stored = (jpeg: Uint8Array, sequence: number) => ({
  jpeg,
  width: WIDTH,
  height: HEIGHT,
  timestampMs: 1_000 * sequence,
  sequence,
});

const never = (error: Error): void => {
  throw error;
};

test.each(Object.keys(PIXEL_FORMATS) as PixelFormat[])(
  '%s in a VIZN segment, pixel for pixel',
  async (format) => {
    const name = uniqueName();
    const store = closing(openDecodedVizn({ name, size: 100_000, format }, never));
    const jpeg = await picture(3);
    store.write(stored(jpeg, 5));
    await store.idle();
    const frame = closing(openViznReader(name)).latest()!;
    expect(frame).toMatchObject({
      format,
      width: WIDTH,
      height: HEIGHT,
      sequence: 5,
      timestampNs: 5_000_000_000n,
      jpeg: undefined,
    });
    expect(frame.data).toHaveLength(WIDTH * HEIGHT * PIXEL_FORMATS[format]);

    const rgb = await sharp(jpeg).raw().toBuffer();
    const expected = {
      RGB3: () => rgb,
      BGR3: () => rgb.map((_, i) => rgb[i - (i % 3) + 2 - (i % 3)]!),
      RGBA: () =>
        Buffer.from(
          Array.from({ length: WIDTH * HEIGHT * 4 }, (_, i) =>
            i % 4 === 3 ? 255 : rgb[(i >> 2) * 3 + (i % 4)]!,
          ),
        ),
      GREY: () => undefined,
    }[format]();
    if (expected) expect(Buffer.compare(frame.data, expected)).toBe(0);
    else {
      // Luma of BT.601, as Python's Pillow has it.
      frame.data.forEach((grey, i) => {
        const luma =
          (19_595 * rgb[3 * i]! + 38_470 * rgb[3 * i + 1]! + 7_471 * rgb[3 * i + 2]! + 32_768) >> 16;
        expect(Math.abs(grey - luma)).toBeLessThanOrEqual(1);
      });
    }
  },
);

test('arrays are height x width x 3, and height x width for a grayscale JPEG', async () => {
  const base = uniqueName().slice(1);
  const store = closing(openDecodedArrays({ base }, never));
  const reader = closing(openArrayReader(base));
  const colour = await picture(1);
  store.write(stored(colour, 1));
  await store.idle();
  const first = await reader.getImage();
  expect(first).toMatchObject({ shape: [HEIGHT, WIDTH, 3], dtype: 'uint8', timestampMs: 1_000, sequence: 1 });
  expect(Buffer.compare(first!.data as Uint8Array, await sharp(colour).raw().toBuffer())).toBe(0);
  store.write(stored(await grayPicture(), 7));
  await store.idle();
  expect(await reader.getImage()).toMatchObject({ shape: [HEIGHT, WIDTH], dtype: 'uint8', sequence: 7 });
  // What the decoder skips is missing from the camera's count as well.
  for (const sequence of [8, 9, 10]) store.write(stored(await grayPicture(), sequence));
  await store.idle();
  expect((await reader.getImage())?.sequence).toBe(10);
});

test('the newest frame wins while one is being decoded, and the rest is counted', async () => {
  const name = uniqueName();
  const store = closing(openDecodedVizn({ name, size: 100_000, format: 'RGB3' }, never));
  const pictures = await Promise.all([1, 2, 3].map((shade) => picture(shade)));
  for (let n = 1; n <= 50; n++) store.write(stored(pictures[n % 3]!, n));
  // Nothing has been decoded in the turn that brought them all.
  const reader = closing(openViznReader(name));
  expect(reader.latest()).toBeUndefined();
  await store.idle();
  expect(reader.latest()?.sequence).toBe(50);
  // The first was under way, the last waited.
  expect(store.skipped).toBe(48);
});

test('what cannot be decoded, or does not fit, is told once, and the next frame is tried', async () => {
  const errors: string[] = [];
  const name = uniqueName();
  const store = closing(
    openDecodedVizn({ name, size: 12_000, format: 'RGB3' }, (error) => errors.push(error.code)),
  );
  const write = async (target: DecodedStore, jpeg: Uint8Array, n: number): Promise<void> => {
    target.write(stored(jpeg, n));
    await target.idle();
  };
  const small = await sharp(await picture(1))
    .resize(32, 24)
    .jpeg()
    .toBuffer();
  await write(store, Uint8Array.of(1, 2, 3), 1);
  await write(store, Uint8Array.of(1, 2, 3), 2);
  await write(store, small, 3);
  const large = await sharp(await picture(1))
    .resize(128, 96)
    .jpeg()
    .toBuffer();
  await write(store, large, 4);
  await write(store, small, 5);
  expect(errors).toEqual(['FRAME_CORRUPT', 'SHM_TOO_SMALL']);
  expect(closing(openViznReader(name)).latest()?.sequence).toBe(5);
  store.close();
  store.write(stored(small, 6));
  await store.idle();
});

test("a living writer's arrays are refused at the start", async () => {
  const base = uniqueName().slice(1);
  const child = startNode('arrays.mjs', base);
  const { pid } = await child.json<{ pid: number }>();
  const error = expectFailure('SHM_IN_USE', () => openDecodedArrays({ base }, never));
  expect(error.context['pid']).toBe(pid);
  await child.kill();
  const store = closing(openDecodedArrays({ base }, never));
  store.write(stored(await picture(1), 1));
  await store.idle();
  const reader = closing(openArrayReader(base));
  expect((await reader.getImage())?.shape).toEqual([HEIGHT, WIDTH, 3]);
});

test('pixels that do not match their size are refused', () => {
  const writer = closing(openViznWriter({ name: uniqueName(), size: 4_096 }));
  const frame = { width: 2, height: 2, timestampMs: 1, sequence: 1 };
  expectFailure('OPTION_INVALID', () =>
    writer.write({ ...frame, pixels: new Uint8Array(11), format: 'RGB3' }),
  );
  writer.write({ ...frame, pixels: new Uint8Array(12), format: 'RGB3' });
});

test('NATIVE is GREY or RGB3', async () => {
  expect((await decodePixels(await grayPicture(), 'NATIVE')).channels).toBe(1);
  expect((await decodePixels(await picture(1), 'NATIVE')).channels).toBe(3);
  await expect(decodePixels(new Uint8Array(9), 'GREY')).rejects.toMatchObject({ code: 'FRAME_CORRUPT' });
});
