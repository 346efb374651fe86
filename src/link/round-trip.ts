/**
 * Measures round trips and derives how long to wait for an answer. Cameras that make a JPEG, or expose for long, answer
 * nothing meanwhile: most of their answers take a millisecond, some take as long as that. So the slowest answer of the
 * last while counts, not the usual one, and the answer to a request that was given up as well. Only where packets are
 * lost more often than answers are slow it pays to give up early: one resynchronisation too many costs less than the
 * waits for what does not come.
 */
import { HOST_TIMING } from './timing.js';

/** What was seen in a span of time. */
interface Seen {
  slowest: number;
  /** Answers that took longer than the short wait. */
  slow: number;
  lost: number;
}

const nothing = (): Seen => ({ slowest: 0, slow: 0, lost: 0 });

export class RoundTrip {
  #smoothed = 0;
  /** This span and the one before it. */
  #seen: [Seen, Seen] = [nothing(), nothing()];
  #spanEnd = 0;

  /**
   * Milliseconds from a request's first transmission to its answer's first packet, of one that was given up as well;
   * never of a repeated packet.
   */
  measured(ms: number, now: number): void {
    const seen = this.#now(now)[0];
    if (ms > this.shortMs) seen.slow++;
    seen.slowest = Math.max(seen.slowest, ms);
    this.#smoothed += this.#smoothed === 0 ? Math.max(ms, 0.001) : (ms - this.#smoothed) / 8;
  }

  /** A request, or its answer, did not get through. */
  lost(now: number): void {
    this.#now(now)[0].lost++;
  }

  /** 0 before the first measurement. */
  get smoothedMs(): number {
    return this.#smoothed;
  }

  /** How long to wait for an answer's first packet. */
  replyMs(now: number): number {
    if (this.#smoothed === 0) return HOST_TIMING.initialReplyMs;
    const [seen, before] = this.#now(now);
    if (seen.lost + before.lost > seen.slow + before.slow) return this.shortMs;
    const wait = 2 * Math.max(seen.slowest, before.slowest);
    return Math.min(HOST_TIMING.maxReplyMs, Math.max(HOST_TIMING.cleanReplyMs, wait));
  }

  /** The usual answer comes within this time. */
  get shortMs(): number {
    if (this.#smoothed === 0) return HOST_TIMING.initialReplyMs;
    return Math.min(HOST_TIMING.maxReplyMs, Math.max(HOST_TIMING.minReplyMs, 4 * this.#smoothed));
  }

  #now(now: number): [Seen, Seen] {
    if (now >= this.#spanEnd) {
      const recent = now < this.#spanEnd + HOST_TIMING.memoryMs;
      this.#seen = [nothing(), recent ? this.#seen[0] : nothing()];
      this.#spanEnd = now + HOST_TIMING.memoryMs;
    }
    return this.#seen;
  }
}
