/** Figures in milliseconds; see `timingsSchema`. */
export interface RestartFigures {
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly crashWindowMs: number;
  readonly crashLimit: number;
}

/**
 * Decides after each crash how long to wait before the next start, or that there is none. Two counts: crashes
 * in a row without a result between them set the wait; crashes within the window, results or not, end it.
 */
export class RestartPolicy {
  readonly #figures: RestartFigures;
  #inARow = 0;
  #recent: number[] = [];

  constructor(figures: RestartFigures) {
    this.#figures = figures;
  }

  /** `now` in milliseconds of any steady clock. Milliseconds to wait, or `undefined` to give up. */
  crashed(now: number): number | undefined {
    const { backoffMinMs, backoffMaxMs, crashWindowMs, crashLimit } = this.#figures;
    this.#inARow += 1;
    this.#recent = this.#recent.filter((at) => now - at < crashWindowMs);
    this.#recent.push(now);
    if (this.#recent.length >= crashLimit) return undefined;
    return Math.min(backoffMinMs * 2 ** (this.#inARow - 1), backoffMaxMs);
  }

  /** The adapter did its work: the next crash is a first one again. */
  succeeded(): void {
    this.#inARow = 0;
  }

  /** Forgets everything, for a new start by hand. */
  reset(): void {
    this.#inARow = 0;
    this.#recent = [];
  }
}
