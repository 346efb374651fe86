/** One segment, and waiting for the frames in it. */
import { type FrameSource, openSource } from './frame-source.js';
import { createWaiter, type Waiter } from './memory/waiter.js';

/** How long to sleep before looking whether the writer still lives. */
const LOOK_AFTER_MS = 500;

/** A source and what waits for its next frame. */
export class Followed {
  readonly source: FrameSource;
  readonly #waiter: Waiter;
  #closing: Promise<void> | undefined;

  constructor(name: string) {
    this.source = openSource(name);
    try {
      const { wakeAddress, wake } = this.source;
      this.#waiter = createWaiter(wakeAddress ?? 0, wake, wakeAddress !== undefined);
    } catch (error) {
      this.source.close();
      throw error;
    }
  }

  /** The next that `take` has, or undefined when the segment has no more to give, or the signal says stop. */
  async next<T>(take: () => T | undefined, follow: boolean, signal: AbortSignal): Promise<T | undefined> {
    if (signal.aborted) return undefined;
    let seen = this.source.wake();
    let taken = take();
    while (taken === undefined) {
      await this.#waiter.wait(seen, LOOK_AFTER_MS, signal);
      // After `close()` nothing of the segment may be touched.
      if (signal.aborted) return undefined;
      const woken = this.source.wake() !== seen;
      seen = this.source.wake();
      taken = take();
      // Whether the writer lives is asked only when there is nothing to give: it takes a while.
      if (taken !== undefined) break;
      const { status } = this.source.state();
      const over = status === 'gone' || (status === 'stale' && !follow && !woken);
      // The last may have come between the look and the end.
      if (over) return take();
    }
    return taken;
  }

  close(): Promise<void> {
    this.#closing ??= this.#waiter.close().then(() => this.source.close());
    return this.#closing;
  }
}
