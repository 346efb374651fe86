/**
 * When a frame was captured, by this host's clock. A camera has no clock of the day, but the header of a frame tells two
 * readings of its own: at the capture, and when the header was read. The second lies between the moments at which the
 * host sent the READ and had the first packet of its reply. Each frame so bounds the difference of the two clocks, and
 * the narrowest bounds count: a quick answer keeps them narrow for a while.
 */
import { ticksBetween, type WindowHeader } from './window.js';

/** How far the camera's clock and the host's may drift apart: a crystal has 100 ppm at most, a poor one more. */
const DRIFT = 500e-6;

export interface CaptureTime {
  /** When the sensor had the picture, milliseconds of the host's clock (`Clock.now`). */
  readonly at: number;
  /** It is not further away than this. */
  readonly errorMs: number;
}

export class CaptureClock {
  /** Bounds of the host's clock minus the camera's, in milliseconds. */
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;
  /** The camera's clock at the last frame, without turns, and when the READ of that frame's header was sent. */
  #camera = 0;
  #tick: number | undefined;
  #sentAt = 0;

  /**
   * `sentAt`, `answeredAt`: when the READ of the header was sent, and when its reply began to come. undefined: the frame waited
   * for longer than the camera can tell.
   */
  take(
    { age, servedTick }: Pick<WindowHeader, 'age' | 'servedTick'>,
    sentAt: number,
    answeredAt: number,
  ): CaptureTime | undefined {
    // The camera read its clock at some moment since the last READ was sent: the clocks have drifted apart for no longer than this.
    const paused = this.#tick === undefined ? 0 : answeredAt - this.#sentAt;
    if (this.#tick !== undefined) this.#camera += ticksBetween(this.#tick, servedTick) / 1_000;
    this.#tick = servedTick;
    this.#sentAt = sentAt;
    const drift = paused * DRIFT;
    const low = sentAt - this.#camera;
    const high = answeredAt - this.#camera;
    this.#low = Math.max(this.#low - drift, low);
    this.#high = Math.min(this.#high + drift, high);
    if (this.#low > this.#high) {
      // The camera has started again, or its clock has turned round meanwhile.
      this.#low = low;
      this.#high = high;
    }
    if (age === undefined) return undefined;
    const half = (this.#high - this.#low) / 2;
    const ageMs = age / 1_000;
    return { at: this.#low + half + this.#camera - ageMs, errorMs: half + ageMs * DRIFT };
  }
}
