/** Drawn pixels in the formats in which a sensor gives them. */
import { PixelFormat } from '../../protocol/index.js';

export const bytesAPixel = (format: number): number =>
  format === PixelFormat.GRAYSCALE || format === PixelFormat.BAYER ? 1 : 2;

/** Writes drawn pixels, one or three bytes each, in rows of `width`, in the camera's format. */
export function writePixels(target: Uint8Array, pixels: Uint8Array, format: number, width: number): void {
  if (format === PixelFormat.GRAYSCALE) target.set(pixels);
  else if (format === PixelFormat.BAYER) writeBayer(target, pixels, width);
  else if (format === PixelFormat.YUV422) writeYuv(target, pixels, width);
  else writeRgb565(target, pixels);
}

/** Little-endian. */
function writeRgb565(target: Uint8Array, pixels: Uint8Array): void {
  for (let from = 0, to = 0; from + 2 < pixels.length; from += 3, to += 2) {
    const red = pixels[from]! >>> 3;
    const green = pixels[from + 1]! >>> 2;
    const blue = pixels[from + 2]! >>> 3;
    target[to] = ((green & 7) << 5) | blue;
    target[to + 1] = (red << 3) | (green >>> 3);
  }
}

/** Three bytes a pixel. */
export function readRgb565(pixels: Uint8Array): Uint8Array {
  const made = new Uint8Array((pixels.length / 2) * 3);
  for (let from = 0, to = 0; from + 1 < pixels.length; from += 2, to += 3) {
    const pixel = pixels[from]! | (pixels[from + 1]! << 8);
    const [red, green, blue] = [pixel >>> 11, (pixel >>> 5) & 63, pixel & 31];
    made[to] = (red << 3) | (red >>> 2);
    made[to + 1] = (green << 2) | (green >>> 4);
    made[to + 2] = (blue << 3) | (blue >>> 2);
  }
  return made;
}

/** One colour a pixel, in the order BGGR. */
function writeBayer(target: Uint8Array, pixels: Uint8Array, width: number): void {
  const count = pixels.length / 3;
  for (let at = 0; at < count; at++) {
    const odd = (at % width) & 1;
    const lower = Math.floor(at / width) & 1;
    target[at] = pixels[3 * at + (odd === lower ? (odd === 1 ? 0 : 2) : 1)]!;
  }
}

/** Luma of each pixel, and the colour of each two in a row, as YUYV. */
function writeYuv(target: Uint8Array, pixels: Uint8Array, width: number): void {
  const count = pixels.length / 3;
  for (let at = 0; at < count; at++) {
    const [red, green, blue] = [pixels[3 * at]!, pixels[3 * at + 1]!, pixels[3 * at + 2]!];
    const luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    const isV = (at % width) & 1;
    target[2 * at] = Math.round(luma);
    const colour = isV ? (red - luma) / 1.402 : (blue - luma) / 1.772;
    target[2 * at + 1] = Math.min(255, Math.max(0, Math.round(128 + colour)));
  }
}

/** The nearest pixels at a smaller size; the firmware mixes neighbours. */
export function smaller(
  pixels: Uint8Array,
  width: number,
  height: number,
  to: { readonly width: number; readonly height: number },
  format: number,
): Uint8Array {
  const bytes = bytesAPixel(format);
  const made = new Uint8Array(to.width * to.height * bytes);
  let at = 0;
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor((y * height) / to.height) * width;
    for (let x = 0; x < to.width; x++) {
      const from = (row + Math.floor((x * width) / to.width)) * bytes;
      for (let byte = 0; byte < bytes; byte++) made[at++] = pixels[from + byte]!;
    }
  }
  return made;
}
