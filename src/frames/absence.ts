/** How long nobody was there to fetch frames: what a new connection finds latched may have waited all that time. */
import type { Camera } from '../camera/camera.js';

/** After so short an absence the frame that is latched is still one of now: a loose cable loses none. */
const SHORT_MS = 1_000;

export class Absence {
  readonly #now: () => number;
  #camera: Camera | undefined;
  /** When the camera last answered; before that there may have been other hosts, or none for days. */
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The camera has answered: it is there. */
  answered(camera: Camera): void {
    if (camera.connected) this.#answeredAt = this.#now();
  }

  /**
   * Whether what is latched when `camera` is first asked may be old. Not when the connection is the same as before; and a
   * camera in this process was switched on by connecting.
   */
  leavesOld(camera: Camera): boolean {
    const same = camera === this.#camera;
    this.#camera = camera;
    return !same && camera.line !== 'virtual' && this.#now() - this.#answeredAt > SHORT_MS;
  }
}
