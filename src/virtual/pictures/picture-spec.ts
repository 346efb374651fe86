/** What a picture of the virtual sensor looks like: agreed between the sensor, which asks, and the picture source, which draws. */

/** Three by three, row by row: how much of red, green and blue goes into each channel. */
export type ColourMatrix = readonly [number, number, number, number, number, number, number, number, number];

/** What happens to each pixel after its colours. */
export interface Tone {
  /** -3 to 3; below 0: blurred. */
  readonly sharpness: number;
  /** Above 1: middle tones are lifted. */
  readonly gamma: number;
  readonly negative: boolean;
}

export interface PictureSpec {
  /** The frame before windowing, in pixels. */
  readonly width: number;
  readonly height: number;
  /** What is cut out of the mirrored and flipped frame. */
  readonly window: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly mirror: boolean;
  readonly flip: boolean;
  readonly gray: boolean;
  /** Applied to 8-bit channels, then `offset` is added. */
  readonly matrix: ColourMatrix;
  readonly offset: number;
  readonly tone?: Tone;
  /** A JPEG of this quality, 1 to 100; undefined: raw pixels, three bytes or, with `gray`, one. */
  readonly quality: number | undefined;
  /** No chroma subsampling in the JPEG. */
  readonly fullChroma: boolean;
}

/** Pixels that a script has changed. */
export interface RawPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Bytes a pixel: grey, or red, green and blue. */
  readonly channels: 1 | 3;
}

/** Equal specs have equal keys. */
export const specKey = (spec: PictureSpec): string => JSON.stringify(spec);

/** At most this many pictures make a loop of the test scene. */
const LONGEST_LOOP = 48;
const SHORTEST_LOOP = 4;
/** Large frames have shorter loops: what is kept in memory is bounded by this many pixels. */
const LOOP_PIXELS = 16_000_000;

/** Pictures in a loop of the test scene with frames of this size. */
export function loopLength(width: number, height: number): number {
  const fits = Math.floor(LOOP_PIXELS / (width * height));
  return Math.max(SHORTEST_LOOP, Math.min(LONGEST_LOOP, fits));
}
