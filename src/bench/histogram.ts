/** Times as percentiles, kept without allocating anything. */
import { createHistogram } from 'node:perf_hooks';

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const US_PER_MS = 1_000;

export class Times {
  readonly #microseconds = createHistogram();

  /** A time in milliseconds; one below a microsecond counts as a microsecond. */
  add(ms: number): void {
    this.#microseconds.record(Math.max(1, Math.round(ms * US_PER_MS)));
  }

  /** Forgets them all. */
  reset(): void {
    this.#microseconds.reset();
  }

  /** null: there were none. */
  get percentiles(): Percentiles | null {
    const { count, max } = this.#microseconds;
    if (count === 0) return null;
    const at = (percent: number): number => this.#microseconds.percentile(percent) / US_PER_MS;
    return { p50: at(50), p99: at(99), p999: at(99.9), max: max / US_PER_MS };
  }
}
