/**
 * Measures round trips and derives how long to wait for a reply: smoothed round trip plus four mean deviations
 * (the rule of RFC 6298), within the limits of `HOST_TIMING`.
 */
import { HOST_TIMING } from './timing.js';

export class RoundTrip {
  #smoothed = 0;
  #deviation = 0;

  /** Milliseconds from a request's first transmission to its reply's first packet. Never of a repeated one. */
  measured(ms: number): void {
    if (this.#smoothed === 0) {
      this.#smoothed = Math.max(ms, 0.001);
      this.#deviation = ms / 2;
      return;
    }
    this.#deviation += (Math.abs(ms - this.#smoothed) - this.#deviation) / 4;
    this.#smoothed += (ms - this.#smoothed) / 8;
  }

  /** 0 before the first measurement. */
  get smoothedMs(): number {
    return this.#smoothed;
  }

  /** How long to wait for a reply's first packet, acks off. */
  get replyMs(): number {
    if (this.#smoothed === 0) return HOST_TIMING.initialReplyMs;
    const wait = this.#smoothed + 4 * this.#deviation;
    return Math.min(HOST_TIMING.maxReplyMs, Math.max(HOST_TIMING.minReplyMs, wait));
  }
}
