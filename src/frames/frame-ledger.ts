/** What was taken last, so that no capture is delivered twice, and what is told of the others. */

import type { Clock } from '../async.js';
import { checkJpeg } from '../jpeg.js';
import type { FrameReader } from './frame-reader.js';
import type { SourceHandlers } from './source.js';

export class FrameLedger {
  readonly #handlers: SourceHandlers;
  readonly #clock: Clock;
  /** The last frame taken, to recognise it when its release was lost on the way; kept over reconnections. */
  last: FrameReader | undefined;

  constructor(handlers: SourceHandlers, clock: Clock) {
    this.#handlers = handlers;
    this.#clock = clock;
  }

  /** Whether a frame was taken before. */
  knows(reader: FrameReader): boolean {
    return this.last !== undefined && reader.repeats(this.last);
  }

  /** A frame is whole, its last byte included: delivers it. `stale`: it may have waited for long, and is counted instead. */
  take(reader: FrameReader, stale: boolean): void {
    this.#countSkipped(reader.latch.number);
    this.last = reader;
    if (stale) this.#handlers.dropped('stale', 1);
    else this.#deliver(reader);
  }

  /** A frame is given up. */
  giveUp(reader: FrameReader | undefined, reason: 'too_large' | 'unreadable'): void {
    this.#handlers.dropped(reason, 1);
    this.last = reader;
  }

  #deliver(reader: FrameReader): void {
    const { bytes, latch, captured } = reader;
    const check = checkJpeg(bytes);
    if ('problem' in check) {
      this.#handlers.dropped('corrupt', 1);
      return;
    }
    const { width, height } = check.header;
    const timestampMs = unixTime();
    this.#handlers.frame({
      jpeg: bytes,
      width,
      height,
      timestampMs,
      captureNumber: latch.number,
      capturedAtMs: captured && timestampMs - (this.#clock.now() - captured.at),
      capturedErrorMs: captured?.errorMs,
    });
  }

  /** Captures between the last frame and this one that never came. A lower number is a script that started again. */
  #countSkipped(number: number | undefined): void {
    const last = this.last?.latch.number;
    if (number === undefined || last === undefined) return;
    const skipped = number - last - 1;
    if (skipped > 0) this.#handlers.dropped('skipped', skipped);
  }
}

/** What the system's clock differs by when it was set, beyond the millisecond that it cuts off. */
const CLOCK_SET_MS = 2;
let monotonicOriginMs = performance.timeOrigin;

/** Unix time in milliseconds, to the microsecond. */
function unixTime(): number {
  const now = Date.now();
  const precise = monotonicOriginMs + performance.now();
  if (Math.abs(precise - now) < CLOCK_SET_MS) return Math.round(precise * 1_000) / 1_000;
  monotonicOriginMs += now - precise;
  return now;
}
