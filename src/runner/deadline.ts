/**
 * A timer for "no answer came in time". When it runs out it lets the event loop read once more before it
 * decides: after the host itself was held up (a long pause, a suspended machine) the answer may lie unread in
 * the pipe, and the adapter is not to blame.
 */
export class Deadline {
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  /** Starts, or starts again. */
  start(ms: number, expired: () => void): void {
    this.clear();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#immediate = setImmediate(() => {
        this.#immediate = undefined;
        expired();
      });
    }, ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }
}
