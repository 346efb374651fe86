/**
 * How long to wait for an event before asking by oneself. A lost event costs about one frame's time; a script
 * that sends none is asked often; one that has nothing to say seldom.
 */

const LONGEST_MS = 250;
const SHORTEST_MS = 5;
/** Until the first frame there is no event to wait for. */
const FIRST_MS = 20;
/** About two seconds of looks in vain. */
const DOUBTFUL_LOOKS = 12;

export class PullPace {
  #lastTaken = 0;
  #interval = 0;
  /** Looks in a row that found nothing although their time had come. */
  #idle = 0;

  /** A frame was taken now. */
  taken(): void {
    const now = performance.now();
    if (this.#lastTaken > 0) {
      const elapsed = now - this.#lastTaken;
      this.#interval = this.#interval === 0 ? elapsed : this.#interval + (elapsed - this.#interval) / 8;
    }
    this.#lastTaken = now;
    this.#idle = 0;
  }

  /** A wait ended: by an event, or because its time was over. */
  waited(byEvent: boolean): void {
    this.#idle = byEvent ? 0 : this.#idle + 1;
  }

  /** Long enough without anything that the channel itself may have gone without a word. */
  get doubtful(): boolean {
    return this.#idle > 0 && this.#idle % DOUBTFUL_LOOKS === 0;
  }

  get waitMs(): number {
    const base = this.#interval === 0 ? FIRST_MS : 2 * this.#interval;
    return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, base) * 2 ** Math.min(this.#idle, 6));
  }
}
