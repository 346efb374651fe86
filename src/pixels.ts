/** JPEGs decoded with sharp, in its own threads: the event loop only hands bytes over and takes bytes back. */
import { availableParallelism } from 'node:os';
import { setImmediate as turnOver } from 'node:timers/promises';
import { Turns } from './async.js';
import { BridgeError } from './errors.js';
import { checkJpeg } from './jpeg.js';

/** Bytes a pixel: rows from the top, pixels from the left, nothing between them. */
export const PIXEL_FORMATS = { RGB3: 3, BGR3: 3, GREY: 1, RGBA: 4 } as const;
/** `GREY` is the luma of BT.601, as JPEG's own Y. */
export type PixelFormat = keyof typeof PIXEL_FORMATS;

export interface Pixels {
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Bytes a pixel. */
  readonly channels: number;
}

type Sharp = typeof import('sharp')['default'];
let loading: Promise<Sharp> | undefined;

async function loadSharp(): Promise<Sharp> {
  loading ??= import('sharp').then((module) => module.default);
  try {
    return await loading;
  } catch (cause) {
    loading = undefined;
    throw new BridgeError(
      'UNSUPPORTED',
      'Pixels need the package sharp, which cannot be loaded here: reinstall it, or have frames as JPEG.',
      { cause },
    );
  }
}

/**
 * Images that are worked on at the same time: no more than there are processors, and one thread of Node's pool stays
 * free, which files and serial ports wait for as well.
 */
const POOL_THREADS = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) || 1;
const turns = new Turns(Math.max(1, Math.min(availableParallelism(), POOL_THREADS - 1)));

/** Work on an image in sharp's threads, when it is its turn. */
export const imageTurn = <T>(work: () => Promise<T>): Promise<T> => turns.run(work);

interface DecodeOptions {
  /** Refuses a JPEG that is cut short. */
  readonly whole?: boolean;
}

/** Decoding under way, by JPEG and form: several who want the same pixels get the same. */
const underWay = new WeakMap<Uint8Array, Map<string, Promise<Pixels>>>();

/**
 * The pixels of a JPEG, which others may have got as well: to be read only. `NATIVE`: `GREY` for a grayscale one, `RGB3`
 * for any other. Ends in `FRAME_CORRUPT` (`cause` says why) for what is no JPEG that can be decoded, `UNSUPPORTED` without sharp.
 */
export async function decodePixels(
  jpeg: Uint8Array,
  wanted: PixelFormat | 'NATIVE',
  { whole = false }: DecodeOptions = {},
): Promise<Pixels> {
  const sharp = await loadSharp();
  try {
    const check = checkJpeg(jpeg);
    const isGrey = 'header' in check && check.header.components === 1;
    const format = wanted !== 'NATIVE' ? wanted : isGrey ? 'GREY' : 'RGB3';
    const known = underWay.get(jpeg) ?? new Map<string, Promise<Pixels>>();
    underWay.set(jpeg, known);
    const key = `${format} ${whole}`;
    const decoding =
      known.get(key) ??
      imageTurn(() => decode(sharp(jpeg, { failOn: whole ? 'truncated' : 'none' }), format, isGrey)).finally(
        () => known.delete(key),
      );
    known.set(key, decoding);
    return await decoding;
  } catch (cause) {
    throw new BridgeError(
      'FRAME_CORRUPT',
      `A frame of ${jpeg.length} bytes cannot be decoded: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
}

async function decode(picture: ReturnType<Sharp>, format: PixelFormat, isGrey: boolean): Promise<Pixels> {
  // sharp's own ways to the other orders and to the luma compute in floating point: three times the whole decoding.
  const made = format === 'RGBA' ? 4 : isGrey && format === 'GREY' ? 1 : 3;
  picture.toColourspace(made === 1 ? 'b-w' : 'srgb');
  if (made === 4) picture.ensureAlpha();
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (info.channels !== made) throw new Error(`it has ${info.channels} channels`);
  if (format === 'BGR3') await inSlices(data, swapRedAndBlue);
  if (format !== 'GREY' || made === 1) return { data, width, height, channels: made };
  const grey = new Uint8Array(width * height);
  await inSlices(data, (from, to) => lumaOf(data, grey, from, to));
  return { data: grey, width, height, channels: 1 };

  function swapRedAndBlue(from: number, to: number): void {
    for (let i = from; i < to; i += 3) {
      const red = data[i]!;
      data[i] = data[i + 2]!;
      data[i + 2] = red;
    }
  }
}

/** Luma of BT.601 in 16-bit fixed point, of the pixels between two bytes of `rgb`. */
function lumaOf(rgb: Uint8Array, grey: Uint8Array, from: number, to: number): void {
  for (let i = from, o = from / 3; i < to; i += 3, o++) {
    grey[o] = (19_595 * rgb[i]! + 38_470 * rgb[i + 1]! + 7_471 * rgb[i + 2]! + 32_768) >> 16;
  }
}

/** Bytes of three channels that are gone through in a turn of the event loop: a fraction of a millisecond. */
const SLICE = 3 * 65_536;

/** Goes through pixels of three bytes on the event loop, and lets others in between. */
async function inSlices(bytes: Uint8Array, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < bytes.length; from += SLICE) {
    if (from > 0) await turnOver();
    work(from, Math.min(from + SLICE, bytes.length));
  }
}
