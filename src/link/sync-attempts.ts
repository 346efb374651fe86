/** How often, and how patiently, the host tries to synchronise. */
import { BridgeError } from '../errors.js';
import type { RoundTrip } from './round-trip.js';
import { HOST_TIMING } from './timing.js';

export class SyncAttempts {
  readonly #roundTrip: RoundTrip;
  #unanswered = 0;
  #started = 0;
  /** When the first SYNC that has not been answered was sent. */
  #since = 0;
  #waitMs = 0;

  constructor(roundTrip: RoundTrip) {
    this.#roundTrip = roundTrip;
  }

  /** How long to wait for what was sent last. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** A new synchronisation begins. */
  begin(now: number): void {
    this.#unanswered = 0;
    this.#started = now;
    this.#since = now;
  }

  /** A SYNC is sent. */
  sent(): void {
    this.#waitMs = Math.min(HOST_TIMING.maxSyncMs, this.#firstMs * 2 ** this.#unanswered);
  }

  /** A SYNC was answered: what its answer took at most is a measure for what follows. */
  answered(now: number): void {
    this.#unanswered = 0;
    this.#waitMs = Math.min(HOST_TIMING.maxSyncMs, Math.max(this.#firstMs, 2 * (now - this.#since)));
  }

  /** What followed the answer was lost: the next SYNC is the first again. */
  restart(now: number): void {
    this.#since = now;
  }

  /** Whether old data may still be waited out. */
  patient(now: number): boolean {
    return now - this.#started < HOST_TIMING.syncTotalMs;
  }

  /** The wait was in vain; returns the error when it was the last one. */
  failed(now: number): BridgeError | undefined {
    this.#unanswered++;
    const spent = now - this.#started;
    if (this.#unanswered < HOST_TIMING.syncAttempts && spent <= HOST_TIMING.syncTotalMs) return undefined;
    return new BridgeError(
      'CAMERA_SILENT',
      'The camera did not answer the attempts to synchronise. Unplug it and plug it in again; if that does not help, update its firmware to 5.x with the OpenMV IDE.',
      { context: { unanswered: this.#unanswered, spentMs: Math.round(spent) } },
    );
  }

  get #firstMs(): number {
    return Math.min(HOST_TIMING.syncMs, this.#roundTrip.shortMs);
  }
}
