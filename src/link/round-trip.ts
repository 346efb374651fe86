/**
 * Measures round trips and derives how long to wait for an answer, acks off or on. Cameras that make a JPEG, or expose
 * for long, answer nothing meanwhile: most of their answers take a millisecond, some take as long as that. So the
 * slowest answer of the last while counts, not the usual one, and the answer to a request that was given up as well.
 * Lines that lose nothing are waited for longer: there is nothing to be gained from giving up early.
 */
import { HOST_TIMING } from './timing.js';

export class RoundTrip {
  #smoothed = 0;
  /** The slowest answer of this span of time, and of the one before it. */
  #slowest = 0;
  #slowestBefore = 0;
  #spanEnd = 0;
  #lossUntil = Number.NEGATIVE_INFINITY;

  /**
   * Milliseconds from a request's first transmission to its answer's first packet, of one that was given up as well;
   * never of a repeated packet.
   */
  measured(ms: number, now: number): void {
    this.#smoothed += this.#smoothed === 0 ? Math.max(ms, 0.001) : (ms - this.#smoothed) / 8;
    this.#turn(now);
    this.#slowest = Math.max(this.#slowest, ms);
  }

  /** A request, or its answer, did not get through. */
  lost(now: number): void {
    this.#lossUntil = now + HOST_TIMING.memoryMs;
  }

  /** 0 before the first measurement. */
  get smoothedMs(): number {
    return this.#smoothed;
  }

  /** How long to wait for an answer's first packet. */
  replyMs(now: number): number {
    const lossy = now < this.#lossUntil;
    return lossy ? this.shortestMs(now) : Math.max(HOST_TIMING.cleanReplyMs, this.shortestMs(now));
  }

  /** The same for what does no harm when it is sent once too often. */
  shortestMs(now: number): number {
    if (this.#smoothed === 0) return HOST_TIMING.initialReplyMs;
    this.#turn(now);
    const wait = 2 * Math.max(this.#slowest, this.#slowestBefore);
    return Math.min(HOST_TIMING.maxReplyMs, Math.max(HOST_TIMING.minReplyMs, wait));
  }

  #turn(now: number): void {
    if (now < this.#spanEnd) return;
    this.#slowestBefore = now < this.#spanEnd + HOST_TIMING.memoryMs ? this.#slowest : 0;
    this.#slowest = 0;
    this.#spanEnd = now + HOST_TIMING.memoryMs;
  }
}
