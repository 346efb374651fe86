/**
 * A clock on which waiting costs nothing: as soon as nothing else is left to do, time goes on to the next timer. What a
 * test awaits comes at its virtual moment, without real time passing.
 */
import type { Clock } from '../../src/async.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #timers: Timer[] = [];
  #running = false;

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), callback };
    const behind = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(behind < 0 ? this.#timers.length : behind, 0, timer);
    if (!this.#running) void this.#run();
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Time passes in which nothing runs, as in a process that is held up. */
  jump(ms: number): void {
    this.#now += ms;
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (;;) {
      // Everything that the last timer caused comes first: promises, and immediates that were asked for before this one.
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#timers.shift();
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#running = false;
  }
}
