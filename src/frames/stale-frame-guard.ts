/** Tells whether the frame that a new connection finds latched may be an old one. */
import type { Camera } from '../camera/index.js';

/** A frame that waited no longer than this while no host was connected still counts as new. */
const SHORT_MS = 1_000;

/** What becomes of a frame that was latched before the connection. */
export type StalePolicy = 'drop' | 'deliver';

export class StaleFrameGuard {
  readonly #now: () => number;
  readonly #policy: StalePolicy;
  #camera: Camera | undefined;
  /** When the camera last answered. Before the first answer the frame may have waited for any time. */
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number, policy: StalePolicy) {
    this.#now = now;
    this.#policy = policy;
  }

  /** The camera has answered. */
  answered(camera: Camera): void {
    if (camera.connected) this.#answeredAt = this.#now();
  }

  /**
   * Whether the frame that is latched when `camera` is first asked may be stale, and is not to be delivered. Not on the same
   * connection as before, and not on a camera in this process: connecting switches it on.
   */
  mayBeStale(camera: Camera): boolean {
    const same = camera === this.#camera;
    this.#camera = camera;
    if (this.#policy === 'deliver') return false;
    return !same && camera.line !== 'virtual' && this.#now() - this.#answeredAt > SHORT_MS;
  }
}
