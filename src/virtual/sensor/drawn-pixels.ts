/**
 * The last frame's pixels as a script got them. It may change them; then a JPEG is made of what lies in the frame buffer, and not of
 * the picture that was drawn.
 */
import { PixelFormat } from '../../protocol/index.js';
import type { RawPixels } from '../pictures/picture-spec.js';
import { bytesAPixel, readRgb565 } from './pixel-formats.js';

export class DrawnPixels {
  #before: Buffer | undefined;
  #format = 0;
  #width = 0;

  /** Whether the frame buffer holds the last frame's pixels. */
  get there(): boolean {
    return this.#before !== undefined;
  }

  /** `memory` begins with them, in rows of `width`. */
  put(memory: Uint8Array, format: number, width: number, height: number): void {
    this.#before = Buffer.from(memory.subarray(0, width * height * bytesAPixel(format)));
    this.#format = format;
    this.#width = width;
  }

  /** The frame buffer holds something else from now on. */
  forget(): void {
    this.#before = undefined;
  }

  /** What a script has made of them, where that can be compressed; undefined: they are as they were. */
  changed(memory: Uint8Array): RawPixels | undefined {
    const before = this.#before;
    if (!before) return undefined;
    const now = memory.subarray(0, before.length);
    if (before.equals(now)) return undefined;
    const width = this.#width;
    const height = before.length / width / bytesAPixel(this.#format);
    if (this.#format === PixelFormat.GRAYSCALE) return { data: now.slice(), width, height, channels: 1 };
    if (this.#format === PixelFormat.RGB565) return { data: readRgb565(now), width, height, channels: 3 };
    return undefined;
  }
}
