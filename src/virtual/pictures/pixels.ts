/** Pixels as the camera's frame buffer has them. */
import { PixelFormat } from '../../protocol/index.js';

/** Writes drawn pixels, one or three bytes each, in the camera's format; RGB565 is little-endian. */
export function writePixels(target: Uint8Array, pixels: Uint8Array, pixformat: number): void {
  if (pixformat === PixelFormat.GRAYSCALE) {
    target.set(pixels);
    return;
  }
  for (let from = 0, to = 0; from + 2 < pixels.length; from += 3, to += 2) {
    const red = pixels[from]! >>> 3;
    const green = pixels[from + 1]! >>> 2;
    const blue = pixels[from + 2]! >>> 3;
    target[to] = ((green & 7) << 5) | blue;
    target[to + 1] = (red << 3) | (green >>> 3);
  }
}
