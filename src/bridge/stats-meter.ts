/** Counts what goes through a bridge and gives a second's figures. */

import type { Frame } from '../frames/frame.js';
import type { DropReason } from '../frames/frame-puller.js';

export class StatsMeter {
  readonly droppedByReason: Partial<Record<DropReason, number>> = {};
  delivered = 0;
  dropped = 0;
  #last: Frame | undefined;
  #frames = 0;
  #bytes = 0;
  #since = performance.now();

  frame(frame: Frame): void {
    this.delivered++;
    this.#frames++;
    this.#bytes += frame.bytes;
    this.#last = frame;
  }

  drop(reason: DropReason, count: number): void {
    this.dropped += count;
    this.droppedByReason[reason] = (this.droppedByReason[reason] ?? 0) + count;
  }

  /** Rates since the last call. */
  take(): {
    framesPerSecond: number;
    bytesPerSecond: number;
    frameBytes: number;
    width: number;
    height: number;
    delivered: number;
    dropped: number;
    droppedByReason: Partial<Record<DropReason, number>>;
  } {
    const now = performance.now();
    const seconds = Math.max(0.001, (now - this.#since) / 1_000);
    const figures = {
      framesPerSecond: this.#frames / seconds,
      bytesPerSecond: this.#bytes / seconds,
      frameBytes: this.#last?.bytes ?? 0,
      width: this.#last?.width ?? 0,
      height: this.#last?.height ?? 0,
      delivered: this.delivered,
      dropped: this.dropped,
      droppedByReason: { ...this.droppedByReason },
    };
    this.#frames = 0;
    this.#bytes = 0;
    this.#since = now;
    return figures;
  }
}
