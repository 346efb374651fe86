/** What was taken last, so that no capture is delivered twice, and what is told of the others. */

import type { Clock } from '../async.js';
import { BridgeError } from '../errors.js';
import { checkJpeg } from '../jpeg.js';
import { parseJson } from '../json.js';
import type { FrameReader } from './frame-reader.js';
import type { PulledFrame, SourceHandlers } from './source.js';
import { triggersBetween } from './trigger.js';
import { DATA_LIMIT } from './window.js';

type CapturedAt = Pick<PulledFrame, 'capturedAtMs' | 'capturedErrorMs'>;

const A_MICROSECOND = 0.001;
/** Objects and arrays inside each other, in what a script attaches to a frame. */
const DATA_DEPTH = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true });

export class FrameLedger {
  readonly #handlers: SourceHandlers;
  readonly #clock: Clock;
  /** The last frame taken, to recognise it when its release was lost on the way; kept over reconnections. */
  last: FrameReader | undefined;
  /** Frames whose data is no JSON. */
  damagedData = 0;
  /** Of the last frame; 0: it had none. */
  #trigger = 0;
  /** The frame before was one: that is told once. */
  #damaged = false;
  /** When the frame before was captured: Unix milliseconds, and how far that may be from the truth. */
  #captured: { readonly at: number; readonly errorMs: number } | undefined;

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
    const skipped = this.#countSkipped(reader.latch.number);
    this.#countMissed(reader.header?.trigger ?? 0, skipped);
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
    const { bytes, latch, captured, data } = reader;
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
      ...this.#capturedAt(captured, timestampMs),
      triggerId: reader.header?.trigger || undefined,
      ...(data === undefined ? {} : { data: this.#parse(data, latch.number) }),
    });
  }

  /** In Unix milliseconds, and later than the frame before: readers of arrays tell frames by their times alone. */
  #capturedAt(captured: FrameReader['captured'], timestampMs: number): CapturedAt {
    const before = this.#captured;
    this.#captured = undefined;
    if (!captured) return { capturedAtMs: undefined, capturedErrorMs: undefined };
    let at = timestampMs - (this.#clock.now() - captured.at);
    let { errorMs } = captured;
    const back = before ? before.at + A_MICROSECOND - at : 0;
    // Further back than that, the system's clock was set.
    if (before && back > 0 && back <= errorMs + before.errorMs + A_MICROSECOND) {
      at += back;
      errorMs += back;
    }
    this.#captured = { at, errorMs };
    return { capturedAtMs: at, capturedErrorMs: errorMs };
  }

  /** undefined: what is wrong is counted, and told unless the frame before had the same trouble. */
  #parse(data: Buffer | 'too_large', number: number | undefined): unknown {
    try {
      if (data === 'too_large') throw new RangeError(`has more than ${DATA_LIMIT} bytes`);
      const value = parseJson(utf8.decode(data), { maxDepth: DATA_DEPTH });
      this.#damaged = false;
      return value;
    } catch (cause) {
      this.damagedData++;
      if (!this.#damaged) this.#handlers.failed?.(damaged(cause, number));
      this.#damaged = true;
      return undefined;
    }
  }

  /** Captures between the last frame and this one that never came. A lower number is a script that started again. */
  #countSkipped(number: number | undefined): number {
    const last = this.last?.latch.number;
    if (number === undefined || last === undefined) return 0;
    const skipped = Math.max(0, number - last - 1);
    if (skipped > 0) this.#handlers.dropped('skipped', skipped);
    return skipped;
  }

  /** Triggers between the last one and this one that no capture was made for; those of skipped captures are counted already. */
  #countMissed(trigger: number, skipped: number): void {
    const last = this.#trigger;
    this.#trigger = trigger;
    if (last === 0 || trigger === 0) return;
    const missed = triggersBetween(last, trigger) - 1 - skipped;
    if (missed > 0) this.#handlers.dropped('missed', missed);
  }
}

function damaged(cause: unknown, number: number | undefined): BridgeError {
  const problem = cause instanceof RangeError ? cause.message : 'is no JSON in UTF-8';
  return new BridgeError(
    'FRAME_DATA_INVALID',
    `What the camera's script attached to frame number ${number} ${problem}. The frame is delivered without it; frames after it with the same trouble are only counted. Attach data with \`frame.tag\` of the bundled script, which checks it.`,
    { context: { number }, cause },
  );
}

/** What the system's clock differs by when it was set, beyond the millisecond that it cuts off. */
const CLOCK_SET_MS = 2;
let monotonicOriginMs = performance.timeOrigin;

/** Unix time in milliseconds, to the microsecond. */
export function unixTime(): number {
  const now = Date.now();
  const precise = monotonicOriginMs + performance.now();
  if (Math.abs(precise - now) < CLOCK_SET_MS) return Math.round(precise * 1_000) / 1_000;
  monotonicOriginMs += now - precise;
  return now;
}
