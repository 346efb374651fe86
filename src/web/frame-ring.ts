/** The last frames of a camera, in memory. Only references are kept: a frame's bytes are its own and never change. */
import type { Frame } from '../frames/index.js';

export const RING_FRAMES = 128;
export const RING_BYTES = 32 * 1024 * 1024;

export class FrameRing {
  readonly #frames = new Map<number, Frame>();
  #bytes = 0;
  #latest: Frame | undefined;

  add(frame: Frame): void {
    this.#frames.set(frame.sequence, frame);
    this.#bytes += frame.bytes;
    this.#latest = frame;
    for (const [sequence, { bytes }] of this.#frames) {
      // The latest one stays, however large it is.
      if (sequence === frame.sequence) return;
      if (this.#frames.size <= RING_FRAMES && this.#bytes <= RING_BYTES) return;
      this.#frames.delete(sequence);
      this.#bytes -= bytes;
    }
  }

  get latest(): Frame | undefined {
    return this.#latest;
  }

  get(sequence: number): Frame | undefined {
    return this.#frames.get(sequence);
  }

  /** Sequences of the oldest and the latest frame that is kept. */
  get range(): { readonly first: number; readonly last: number } | null {
    const [first] = this.#frames.keys();
    return first === undefined || !this.#latest ? null : { first, last: this.#latest.sequence };
  }
}
