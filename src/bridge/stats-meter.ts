/** Counts what goes through a bridge and gives a second's figures. */

import type { DropReason, Frame } from '../frames/index.js';

/** Rates over less than this say nothing: then the last ones stand. */
const SHORTEST_MS = 500;

export class StatsMeter {
  readonly droppedByReason: Partial<Record<DropReason, number>> = {};
  delivered = 0;
  dropped = 0;
  #last: Frame | undefined;
  #frames = 0;
  #bytes = 0;
  #since = performance.now();
  #rates: { readonly framesPerSecond: number; readonly bytesPerSecond: number } | undefined;

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

  /** Begins to count for the rates. */
  start(): void {
    this.#frames = 0;
    this.#bytes = 0;
    this.#rates = undefined;
    this.#since = performance.now();
  }

  /** Rates since the last call, or that call's when it was only a moment ago. */
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
    const elapsed = now - this.#since;
    if (this.#rates === undefined || elapsed >= SHORTEST_MS) {
      const seconds = Math.max(0.001, elapsed / 1_000);
      this.#rates = { framesPerSecond: this.#frames / seconds, bytesPerSecond: this.#bytes / seconds };
      this.#frames = 0;
      this.#bytes = 0;
      this.#since = now;
    }
    return {
      ...this.#rates,
      frameBytes: this.#last?.bytes ?? 0,
      width: this.#last?.width ?? 0,
      height: this.#last?.height ?? 0,
      delivered: this.delivered,
      dropped: this.dropped,
      droppedByReason: { ...this.droppedByReason },
    };
  }
}
