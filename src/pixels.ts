/** JPEGs decoded with sharp, in its own threads: the event loop only hands bytes over and takes bytes back. */
import { BridgeError } from './errors.js';

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

type Row = [number, number, number];
const SWAP_RED_AND_BLUE: [Row, Row, Row] = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
];
const LUMA: Row = [0.299, 0.587, 0.114];
/** sharp cuts fractions off. */
const ROUND = 0.5;

/**
 * The pixels of a JPEG; `NATIVE`: `GREY` for a grayscale one, `RGB3` for any other. `whole` refuses one that is cut
 * short. Ends in `FRAME_CORRUPT` (`cause` says why) for what is no JPEG that can be decoded, `UNSUPPORTED` without sharp.
 */
export async function decodePixels(
  jpeg: Uint8Array,
  wanted: PixelFormat | 'NATIVE',
  { whole = false }: { readonly whole?: boolean } = {},
): Promise<Pixels> {
  const sharp = await loadSharp();
  try {
    const picture = sharp(jpeg, { failOn: whole ? 'truncated' : 'none' });
    const isGrey = wanted !== 'RGB3' && (await picture.metadata()).channels === 1;
    const format = wanted !== 'NATIVE' ? wanted : isGrey ? 'GREY' : 'RGB3';
    if (format !== 'GREY') picture.toColourspace('srgb');
    else if (isGrey) picture.toColourspace('b-w');
    else picture.recomb([LUMA, LUMA, LUMA]).linear(1, ROUND).extractChannel(0);
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
