/** Counts what goes through a bridge and gives a second's figures. */

import type { DropReason, Frame } from '../frames/index.js';
import { RecentTimes } from '../times.js';
import type { BridgeStats, FrameResult, Latency } from './events.js';

/** Rates over less than this say nothing: then the last ones stand. */
const SHORTEST_MS = 500;

/** What it knows of a second's figures. */
type Metered = Pick<
  BridgeStats,
  | 'framesPerSecond'
  | 'bytesPerSecond'
  | 'frameBytes'
  | 'width'
  | 'height'
  | 'delivered'
  | 'dropped'
  | 'droppedByReason'
  | 'latencyMs'
>;

export class StatsMeter {
  readonly droppedByReason: Partial<Record<DropReason, number>> = {};
  delivered = 0;
  dropped = 0;
  readonly #toDelivered = new RecentTimes();
  readonly #toResult = new RecentTimes();
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
    const { capturedAtMs, timestampMs } = frame;
    if (capturedAtMs !== undefined) this.#toDelivered.add(timestampMs - capturedAtMs, performance.now());
  }

  result({ capturedAtMs, timestampMs }: Frame, { outcome, latency }: FrameResult): void {
    if (capturedAtMs === undefined || outcome === 'failed') return;
    const { queueMs, transferMs, computeMs } = latency;
    this.#toResult.add(timestampMs - capturedAtMs + queueMs + transferMs + computeMs, performance.now());
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
  take(): Metered {
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
      latencyMs: {
        delivered: latencyOf(this.#toDelivered, now),
        result: latencyOf(this.#toResult, now),
      },
    };
  }
}

function latencyOf(times: RecentTimes, now: number): Latency | null {
  const percentiles = times.percentiles(now);
  return percentiles && { p50: percentiles.p50, p99: percentiles.p99 };
}
