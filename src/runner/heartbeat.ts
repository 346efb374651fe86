import { randomUUID } from 'node:crypto';
import { Deadline } from './deadline.js';

export interface HeartbeatOptions {
  readonly intervalMs: number;
  readonly graceMs: number;
  /** In a row, after which an idle adapter is taken for hung. */
  readonly misses: number;
  /** True while a call is in flight: an adapter with one thread cannot answer then. */
  busy(): boolean;
  ping(requestId: string): void;
  /** The adapter missed that many pings in a row while it had nothing else to do. */
  dead(): void;
}

/**
 * Pings an adapter. Only an idle one is judged by its answers: a call has its own time limit. During a call pings go on
 * to adapters that answered one during a call before; one is sent to find out.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #next = new Deadline();
  readonly #grace = new Deadline();
  #awaited: { readonly id: string; readonly busy: boolean } | undefined;
  #misses = 0;
  /** Whether it answers during calls, as far as that is known. */
  #answersBusy: boolean | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** For a new adapter. */
  start(): void {
    this.stop();
    this.#answersBusy = undefined;
    this.#schedule();
  }

  stop(): void {
    this.#next.clear();
    this.#grace.clear();
    this.#awaited = undefined;
    this.#misses = 0;
  }

  /** A pong came; true when it answers the ping that is out. */
  pong(requestId: string): boolean {
    if (this.#awaited === undefined || this.#awaited.id !== requestId) return false;
    if (this.#awaited.busy) this.#answersBusy = true;
    this.#awaited = undefined;
    this.#grace.clear();
    this.#misses = 0;
    return true;
  }

  /** The call in flight was answered, which proves life as well as a pong does. */
  alive(): void {
    this.#misses = 0;
    if (this.#awaited?.busy !== true) return;
    this.#answersBusy ??= false;
    this.#awaited = undefined;
  }

  #schedule(): void {
    this.#next.start(this.#options.intervalMs, () => {
      this.#schedule();
      // A ping that is still out has its own grace to run down, longer than the interval or not.
      if (this.#awaited !== undefined) return;
      if (!this.#options.busy()) this.#judge(this.#ping(false));
      else if (this.#answersBusy !== false) this.#ping(true);
    });
  }

  #ping(busy: boolean): string {
    const id = randomUUID();
    this.#awaited = { id, busy };
    this.#options.ping(id);
    return id;
  }

  /** Waits for the pong of an idle adapter. */
  #judge(id: string): void {
    this.#grace.start(this.#options.graceMs, () => {
      if (this.#awaited?.id !== id) return;
      this.#awaited = undefined;
      if (this.#options.busy()) return;
      this.#misses += 1;
      if (this.#misses < this.#options.misses) return;
      this.stop();
      this.#options.dead();
    });
  }
}
