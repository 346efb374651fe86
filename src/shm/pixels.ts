/** JPEGs decoded with sharp, in its own threads: the event loop only hands bytes over and takes bytes back. */
import { BridgeError } from '../errors.js';
import { PIXEL_FORMATS, type PixelFormat } from './vizn/vizn-layout.js';

export interface Pixels {
  /** Row by row from the top, without gaps. */
  readonly data: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Bytes a pixel. */
  readonly channels: number;
}

/** `NATIVE`: `GREY` for a grayscale JPEG, `RGB3` for any other. */
export type WantedPixels = PixelFormat | 'NATIVE';

type Sharp = typeof import('sharp')['default'];
let loading: Promise<Sharp> | undefined;

/** Loaded by the first who asks for pixels. */
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

const SWAP_RED_AND_BLUE: [[number, number, number], [number, number, number], [number, number, number]] = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
];

/** Ends in `FRAME_CORRUPT` for what is no JPEG that can be decoded, `UNSUPPORTED` without sharp. */
export async function decodePixels(jpeg: Uint8Array, wanted: WantedPixels): Promise<Pixels> {
  const sharp = await loadSharp();
  try {
    const picture = sharp(jpeg, { failOn: 'none' });
    const format = wanted !== 'NATIVE' ? wanted : (await picture.metadata()).channels === 1 ? 'GREY' : 'RGB3';
    if (format === 'GREY') picture.toColourspace('b-w');
    else picture.toColourspace('srgb');
    if (format === 'BGR3') picture.recomb(SWAP_RED_AND_BLUE);
    if (format === 'RGBA') picture.ensureAlpha();
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
    if (info.channels !== PIXEL_FORMATS[format]) throw new Error(`it has ${info.channels} channels`);
    return { data, width: info.width, height: info.height, channels: info.channels };
  } catch (cause) {
    throw new BridgeError(
      'FRAME_CORRUPT',
      `A frame of ${jpeg.length} bytes cannot be decoded: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { cause },
    );
  }
}
