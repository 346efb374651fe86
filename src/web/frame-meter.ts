/** Counts the frames of one camera and their outcomes as they come, for the metrics. */
import type { Subscription } from 'rxjs';
import type { Bridge, FrameOutcome, FrameResult } from '../bridge/index.js';

/** Milliseconds that a client of the meter puts into histograms. */
export interface Latencies {
  /** From the capture of a frame to its delivery, where it is known when it was captured. */
  delivered(ms: number): void;
  /** Between a frame and the one before it. */
  interval(ms: number): void;
  /** Of one answer of the algorithm; `capturedBeforeMs`: from the frame's capture to its arrival, where that is known. */
  result(latency: FrameResult['latency'], capturedBeforeMs: number | undefined): void;
}

export interface OutcomeCounter {
  readonly outcome: FrameOutcome['outcome'];
  /** A failure's code, or why the frame was skipped. */
  readonly reason?: string;
  count: number;
}

/** There from the start, so that the first one is seen as an increase. */
const COMMON: readonly (readonly [FrameOutcome['outcome'], string?])[] = [
  ['ok'],
  ['ng'],
  ['failed', 'ALGORITHM_FAILED'],
  ['failed', 'RUNNER_EXITED'],
  ['failed', 'RUNNER_PROTOCOL'],
  ['failed', 'RUNNER_TIMEOUT'],
  ['failed', 'SHM_FULL'],
  ['skipped', 'newer_frame'],
  ['skipped', 'algorithm_failed'],
];

export class FrameMeter {
  delivered = 0;
  bytes = 0;
  /** Unix milliseconds; undefined before the first frame. */
  lastFrameMs: number | undefined;
  readonly #outcomes = new Map<string, OutcomeCounter>();
  readonly #subscriptions: Subscription[];

  constructor(bridge: Bridge, latencies: Latencies) {
    if (bridge.options.runner !== undefined) for (const one of COMMON) this.#counter(...one);
    this.#subscriptions = [
      bridge.frames$.subscribe({
        next: ({ bytes, timestampMs, capturedAtMs }) => {
          this.delivered++;
          this.bytes += bytes;
          if (this.lastFrameMs !== undefined) latencies.interval(timestampMs - this.lastFrameMs);
          this.lastFrameMs = timestampMs;
          if (capturedAtMs !== undefined) latencies.delivered(Math.max(0, timestampMs - capturedAtMs));
        },
        // What ends a bridge is told elsewhere.
        error: () => undefined,
      }),
      bridge.outcomes$.subscribe((one) => {
        if (one.outcome === 'skipped') this.#counter('skipped', one.reason).count++;
        else {
          const { result } = one;
          this.#counter(one.outcome, result.outcome === 'failed' ? result.code : undefined).count++;
          const { capturedAtMs, timestampMs } = one.frame;
          const before = capturedAtMs === undefined ? undefined : Math.max(0, timestampMs - capturedAtMs);
          latencies.result(result.latency, before);
        }
      }),
    ];
  }

  get outcomes(): readonly OutcomeCounter[] {
    return [...this.#outcomes.values()];
  }

  /** Delivered frames without an outcome yet, where there is an algorithm. */
  get pending(): number {
    return this.delivered - this.outcomes.reduce((sum, { count }) => sum + count, 0);
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #counter(outcome: OutcomeCounter['outcome'], reason?: string): OutcomeCounter {
    const key = `${outcome} ${reason}`;
    const known = this.#outcomes.get(key);
    if (known) return known;
    const counter = { outcome, ...(reason === undefined ? {} : { reason }), count: 0 };
    this.#outcomes.set(key, counter);
    return counter;
  }
}
