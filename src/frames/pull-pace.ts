/**
 * How long to wait for an event before asking by oneself. A lost event costs about one frame's time; a script
 * that sends none is asked several times a frame; one that has nothing to say seldom.
 *
 * The time between frames is learnt from those alone that an event announced. One that was found by asking came at
 * some moment of the wait before it: a wait made from that time would become the next one's measure, and grow.
 */

const LONGEST_MS = 250;
/** Where events announce frames: a camera may take long to expose or compress one, and answers nothing meanwhile. */
const LONGEST_ANNOUNCED_MS = 2_000;
const SHORTEST_MS = 5;
/** Until the first frame there is no event to wait for. */
const FIRST_MS = 20;
/** Between two looks at a script that sends no events. */
const SHORTEST_LOOK_MS = 1;
/** How many looks such a script's frame should take: fewer, and it has waited for long; more, and they were in vain. */
const FEWEST_LOOKS = 4;
const MOST_LOOKS = 8;
/** Frames in a row found by asking from which on a script counts as one that sends no events. */
const UNANNOUNCED = 2;
const DOUBT_MS = 2_000;

export class PullPace {
  readonly #now: () => number;
  #lastTaken: number | undefined;
  /** Between frames that were announced; 0: not known. */
  #interval = 0;
  /** Between looks at a script that sends no events. */
  #look = FIRST_MS;
  /** Looks in a row that found nothing although their time had come. */
  #idle = 0;
  /** Frames in a row that no event announced. */
  #unannounced = 0;
  /** When there was last something new, or doubt. */
  #newsAt: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#newsAt = now();
  }

  /** A frame was taken now. */
  taken(): void {
    const now = this.#now();
    if (this.#idle > 0) this.#found();
    else if (this.#lastTaken !== undefined) this.#announced(now - this.#lastTaken);
    this.#lastTaken = now;
    this.#idle = 0;
    this.#newsAt = now;
  }

  /** A wait ended: by an event, or because its time was over. */
  waited(byEvent: boolean): void {
    this.#idle = byEvent ? 0 : this.#idle + 1;
    if (byEvent) this.#newsAt = this.#now();
  }

  /** True once in about two seconds without anything: the channel, or its script, may have gone without a word. */
  doubtful(): boolean {
    const now = this.#now();
    if (this.#idle === 0 || now - this.#newsAt < DOUBT_MS) return false;
    this.#newsAt = now;
    return true;
  }

  get waitMs(): number {
    if (this.#unannounced >= UNANNOUNCED) {
      return Math.min(LONGEST_MS, this.#look * 2 ** clamp(this.#idle - MOST_LOOKS, 0, 8));
    }
    const base = this.#interval === 0 ? FIRST_MS : 2 * this.#interval;
    // Asked before its time an announced frame is asked for in vain.
    const longest = clamp(base, LONGEST_MS, LONGEST_ANNOUNCED_MS);
    return Math.min(longest, Math.max(SHORTEST_MS, base) * 2 ** Math.min(this.#idle, 6));
  }

  #announced(taken: number): void {
    this.#unannounced = 0;
    const elapsed = Math.min(taken, LONGEST_ANNOUNCED_MS);
    this.#interval = this.#interval === 0 ? elapsed : this.#interval + (elapsed - this.#interval) / 8;
  }

  /** Found by asking, at the `#idle`th look. */
  #found(): void {
    this.#unannounced++;
    if (this.#unannounced < UNANNOUNCED) return;
    if (this.#idle < FEWEST_LOOKS) this.#look /= 2;
    else if (this.#idle > MOST_LOOKS) this.#look *= 2;
    this.#look = clamp(this.#look, SHORTEST_LOOK_MS, LONGEST_MS);
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
