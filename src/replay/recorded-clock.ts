/** A clock that shows the time of a recording: it goes on when the replay says so, and a timer fires when the replay lets it. */
import type { Clock } from '../async.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class RecordedClock implements Clock {
  #now = 0;
  #timers: Timer[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), callback };
    const behind = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(behind < 0 ? this.#timers.length : behind, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** It is that time now; only forward. Timers wait for `fire`. */
  reach(now: number): void {
    this.#now = Math.max(this.#now, now);
  }

  /** When the next timer is due; undefined: there is none. */
  get next(): number | undefined {
    return this.#timers[0]?.at;
  }

  /** Fires the next timer, at its time or now if that is over. */
  fire(): void {
    const timer = this.#timers.shift();
    if (!timer) return;
    this.reach(timer.at);
    timer.callback();
  }
}
