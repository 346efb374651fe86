/** Tells whether the frame that a new connection finds latched may be an old one. */
import type { Camera } from '../camera/index.js';

/** A frame that waited no longer than this while no host was connected still counts as new. */
const SHORT_MS = 1_000;

export class StaleFrameGuard {
  readonly #now: () => number;
  #camera: Camera | undefined;
  /** When the camera last answered. Before the first answer the frame may have waited for any time. */
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The camera has answered. */
  answered(camera: Camera): void {
    if (camera.connected) this.#answeredAt = this.#now();
  }

  /**
   * Whether the frame that is latched when `camera` is first asked may be stale. Not on the same connection as before,
   * and not on a camera in this process: connecting switches it on.
   */
  mayBeStale(camera: Camera): boolean {
    const same = camera === this.#camera;
    this.#camera = camera;
    return !same && camera.line !== 'virtual' && this.#now() - this.#answeredAt > SHORT_MS;
  }
}
