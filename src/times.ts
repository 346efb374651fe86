/** Times as percentiles, in bounded memory: the one place where quantiles are made. */
import { createHistogram } from 'node:perf_hooks';

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const US_PER_MS = 1_000;
/** Eight days. A longer time counts as that. */
const LONGEST_US = 691_200_000_000;
/** Digits of a percentile that mean something; the histogram has as many. */
const DIGITS = 3;
const FIFTY_SECONDS_MS = 50_000;

const newHistogram = () => createHistogram({ lowest: 1, highest: LONGEST_US, figures: DIGITS });

export class Times {
  readonly #microseconds = newHistogram();

  /** A time in milliseconds; one below a microsecond counts as a microsecond. */
  add(ms: number): void {
    this.#microseconds.record(Math.min(LONGEST_US, Math.max(1, Math.round(ms * US_PER_MS))));
  }

  /** Those of another one as well. */
  addAll(times: Times): void {
    this.#microseconds.add(times.#microseconds);
  }

  /** Forgets them all. */
  reset(): void {
    this.#microseconds.reset();
  }

  /** null: there were none. */
  get percentiles(): Percentiles | null {
    const { count, max } = this.#microseconds;
    if (count === 0) return null;
    const longest = max / US_PER_MS;
    // Rounding makes none longer than the longest.
    const at = (percent: number): number =>
      Math.min(longest, Number((this.#microseconds.percentile(percent) / US_PER_MS).toPrecision(DIGITS)));
    return { p50: at(50), p99: at(99), p999: at(99.9), max: longest };
  }
}

/** A histogram takes up to 250 KB: one for all sums. */
const both = new Times();

/** Those of about the last minute: of the last 50 to 100 seconds. */
export class RecentTimes {
  #now = new Times();
  #before = new Times();
  #since: number | undefined;

  /** `now`: milliseconds of a clock that only goes forward. */
  add(ms: number, now: number): void {
    this.#turn(now);
    this.#now.add(ms);
  }

  /** null: there were none. */
  percentiles(now: number): Percentiles | null {
    this.#turn(now);
    both.reset();
    both.addAll(this.#now);
    both.addAll(this.#before);
    return both.percentiles;
  }

  #turn(now: number): void {
    this.#since ??= now;
    const passed = now - this.#since;
    if (passed < FIFTY_SECONDS_MS) return;
    if (passed >= 2 * FIFTY_SECONDS_MS) this.#now.reset();
    [this.#now, this.#before] = [this.#before, this.#now];
    this.#now.reset();
    this.#since = now;
  }
}
