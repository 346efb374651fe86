import { randomUUID } from 'node:crypto';
import { Deadline } from './deadline.js';

export interface HeartbeatOptions {
  readonly intervalMs: number;
  readonly graceMs: number;
  /** In a row, after which an idle adapter is taken for hung. */
  readonly misses: number;
  /** True while a call is in flight: adapters have one thread and cannot answer then. */
  busy(): boolean;
  ping(requestId: string): void;
  /** The adapter missed that many pings in a row while it had nothing else to do. */
  dead(): void;
}

/** Pings an idle adapter. A call in flight suspends the judgement: its own time limit rules then. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #next = new Deadline();
  readonly #grace = new Deadline();
  #awaited: string | undefined;
  #misses = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    this.stop();
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
    if (requestId !== this.#awaited) return false;
    this.#awaited = undefined;
    this.#grace.clear();
    this.#misses = 0;
    return true;
  }

  /** Any result proves life as well as a pong does. */
  alive(): void {
    this.#misses = 0;
  }

  #schedule(): void {
    this.#next.start(this.#options.intervalMs, () => {
      this.#schedule();
      // A ping that is still out has its own grace to run down, longer than the interval or not.
      if (!this.#options.busy() && this.#awaited === undefined) this.#ping();
    });
  }

  #ping(): void {
    this.#awaited = randomUUID();
    this.#options.ping(this.#awaited);
    this.#grace.start(this.#options.graceMs, () => {
      this.#awaited = undefined;
      if (this.#options.busy()) return;
      this.#misses += 1;
      if (this.#misses < this.#options.misses) return;
      this.stop();
      this.#options.dead();
    });
  }
}
