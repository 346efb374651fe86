/** JPEGs decoded and made with sharp, in its own threads: the event loop only hands bytes over and takes bytes back. */
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

/** The pixels that a JPEG was made of, for as long as they are kept. */
const origins = new WeakMap<Uint8Array, Pixels>();

/** Quality of JPEGs that are made here: what is lost cannot be seen. */
const MADE_QUALITY = 95;

/**
 * A JPEG of pixels (RGB3 or GREY), or of another image file. Who decodes it gets the same pixels, not what the JPEG has left
 * of them, until `forget` is called. `FRAME_CORRUPT`: the file is no image; `UNSUPPORTED` without sharp.
 */
export async function makeJpeg(
  from: Pixels | Uint8Array,
): Promise<{ readonly jpeg: Uint8Array; readonly forget: () => void }> {
  const sharp = await loadSharp();
  const isFile = from instanceof Uint8Array;
  try {
    const made = await imageTurn(() => {
      const picture = isFile ? sharp(from).toColourspace('srgb').flatten() : fromPixels(sharp, from);
      return picture.jpeg({ quality: MADE_QUALITY, chromaSubsampling: '4:4:4' }).toBuffer();
    });
    // Memory of its own: a piece of Node's pool would keep the whole pool.
    const jpeg = new Uint8Array(made);
    if (!isFile) origins.set(jpeg, from);
    return { jpeg, forget: () => origins.delete(jpeg) };
  } catch (cause) {
    throw new BridgeError(
      'FRAME_CORRUPT',
      `An image of ${isFile ? from.length : from.data.length} bytes cannot be made a JPEG: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
}

function fromPixels(sharp: Sharp, { data, width, height, channels }: Pixels): ReturnType<Sharp> {
  const grey = channels === 1;
  return sharp(data, { raw: { width, height, channels: grey ? 1 : 3 } }).toColourspace(grey ? 'b-w' : 'srgb');
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
    const origin = origins.get(jpeg);
    const format = wanted !== 'NATIVE' ? wanted : isGrey ? 'GREY' : 'RGB3';
    const known = underWay.get(jpeg) ?? new Map<string, Promise<Pixels>>();
    underWay.set(jpeg, known);
    const key = `${format} ${whole}`;
    const decoding =
      known.get(key) ??
      imageTurn(() => {
        const options = { failOn: whole ? 'truncated' : 'none' } as const;
        return decode(origin ? fromPixels(sharp, origin) : sharp(jpeg, options), format, isGrey);
      }).finally(() => known.delete(key));
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
  if (format === 'BGR3') await inSlices(width * height, 3, swapRedAndBlue);
  if (format !== 'GREY' || made === 1) return { data, width, height, channels: made };
  const grey = new Uint8Array(width * height);
  await inSlices(width * height, 3, (from, to) => lumaOf(data, grey, from, to));
  return { data: grey, width, height, channels: 1 };

  function swapRedAndBlue(from: number, to: number): void {
    for (let i = 3 * from; i < 3 * to; i += 3) {
      const red = data[i]!;
      data[i] = data[i + 2]!;
      data[i + 2] = red;
    }
  }
}

/** Luma of BT.601 in 16-bit fixed point, of the pixels from one number to another. */
function lumaOf(rgb: Uint8Array, grey: Uint8Array, from: number, to: number): void {
  for (let i = 3 * from, o = from; o < to; i += 3, o++) {
    grey[o] = (19_595 * rgb[i]! + 38_470 * rgb[i + 1]! + 7_471 * rgb[i + 2]! + 32_768) >> 16;
  }
}

/** Bytes that are gone through in a turn of the event loop: a fraction of a millisecond. */
const SLICE = 3 * 65_536;

/** Goes through `count` things of so many bytes each on the event loop, and lets others in between. */
export async function inSlices(
  count: number,
  bytes: number,
  work: (from: number, to: number) => void,
): Promise<void> {
  const step = Math.max(1, Math.floor(SLICE / bytes));
  for (let from = 0; from < count; from += step) {
    if (from > 0) await turnOver();
    work(from, Math.min(from + step, count));
  }
}
