/**
 * Notices a script that only loops until its frame has been fetched, and lets it sleep meanwhile. A script that computes
 * looks the same from here, so it is only slowed, to about the speed of a camera's processor.
 */

/** A script that calls nothing of the board for this long may be looping. */
const QUIET_MS = 0.5;
/** Longest sleep; it ends early when the host sends something. */
const SLEEP_MS = 20;
/** How long the script runs between two sleeps. */
const RUN_MS = 0.5;

export class Idleness {
  /** Whether a frame waits to be fetched: asked only when the script has been quiet. */
  frameWaits: () => boolean = () => false;
  #active = true;
  #restAt = 0;

  /** The script, or the host, has done something. */
  active(): void {
    this.#active = true;
  }

  /** The script has jumped, and there was nothing to do. */
  jump(now: number, sleep: (milliseconds: number) => void): void {
    if (this.#active) {
      this.#active = false;
      this.#restAt = now + QUIET_MS;
    } else if (now >= this.#restAt) {
      if (this.frameWaits()) {
        sleep(SLEEP_MS);
        this.#restAt = performance.now() + RUN_MS;
      } else {
        this.#restAt = now + QUIET_MS;
      }
    }
  }
}
