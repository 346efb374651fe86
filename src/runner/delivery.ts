import { type Deferred, deferred } from '../async.js';
import { BridgeError } from '../errors.js';

/** Something that holds a resource until it is released, such as a frame's image file. */
export interface Releasable {
  release(): void;
}

/**
 * `latest`: while all consumers are busy, the newest waits and older ones are released unseen.
 * `every`: nothing is skipped; the source waits for room.
 */
export const DELIVERY_POLICIES = ['latest', 'every'] as const;
export type DeliveryPolicy = (typeof DELIVERY_POLICIES)[number];

export interface DeliveryOptions<T extends Releasable> {
  readonly policy: DeliveryPolicy;
  /** Consumers, each of which takes one item at a time; default 1. */
  readonly consumers?: number;
  /** One consumer works on one item. The item belongs to it from here on, its release included. */
  deliver(item: T, consumer: number): Promise<unknown>;
  /**
   * Waited for before a consumer takes an item, so that under `latest` it is still the newest one when a consumer
   * that was away comes back. `false`: this consumer takes none; another one has to. `signal` is aborted by `close()`.
   */
  ready?(consumer: number, signal: AbortSignal): Promise<unknown>;
  /** `ready` or `deliver` rejected. The item is not released for it: `deliver` may have done so. */
  failed(error: unknown): void;
}

export interface DeliveryStats {
  /** Items offered. */
  readonly offered: number;
  /** Items handed to `deliver`. */
  readonly delivered: number;
  /** Items released because a newer one took their place. */
  readonly replaced: number;
}

const ROOM: Promise<void> = Promise.resolve();

/**
 * Stands between a source of items and consumers that take one at a time. Holds one waiting item at most; items are
 * taken in the order in which they were offered.
 */
export class Delivery<T extends Releasable> {
  readonly #options: DeliveryOptions<T>;
  readonly #stats = { offered: 0, delivered: 0, replaced: 0 };
  /** What each consumer is doing; undefined: it has nothing to do. */
  readonly #running: (Promise<void> | undefined)[];
  #waiting: T | undefined;
  #room: Deferred | undefined;
  readonly #end = new AbortController();

  constructor(options: DeliveryOptions<T>) {
    this.#options = options;
    this.#running = Array.from({ length: options.consumers ?? 1 }, () => undefined);
  }

  /**
   * Gives one item away. Resolves when there is room for the next: at once under `latest`; under `every` when no
   * item waits, and a source that offers before that gets INTERNAL (its item is released). After `close()` items
   * are released at once.
   */
  offer(item: T): Promise<void> {
    if (this.#end.signal.aborted) {
      item.release();
      return ROOM;
    }
    const replaced = this.#waiting;
    this.#stats.offered++;
    if (replaced !== undefined && this.#options.policy === 'every') {
      item.release();
      throw new BridgeError('INTERNAL', 'A frame was offered while another one waited for room.');
    }
    this.#waiting = item;
    if (replaced !== undefined) {
      this.#stats.replaced++;
      replaced.release();
    }
    // Every idle consumer is woken: the first that is ready takes the item, however long the others are away.
    for (const consumer of this.#running.keys()) this.#wake(consumer);
    if (this.#waiting === undefined || this.#options.policy === 'latest') return ROOM;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  get stats(): DeliveryStats {
    return { ...this.#stats };
  }

  /** Releases what waits and takes no more. Resolves when the items being worked on are done. Idempotent. */
  async close(): Promise<void> {
    this.#end.abort();
    this.#take()?.release();
    await Promise.all(this.#running);
  }

  #take(): T | undefined {
    const item = this.#waiting;
    this.#waiting = undefined;
    this.#room?.resolve();
    this.#room = undefined;
    return item;
  }

  #wake(consumer: number): void {
    if (this.#running[consumer] !== undefined || this.#waiting === undefined) return;
    this.#running[consumer] = this.#run(consumer).then((wantsMore) => {
      this.#running[consumer] = undefined;
      // Offered between its last look and here.
      if (wantsMore) this.#wake(consumer);
    });
  }

  /** Takes items for as long as there are any; false when the consumer took itself out. */
  async #run(consumer: number): Promise<boolean> {
    const { ready, deliver, failed } = this.#options;
    const { signal } = this.#end;
    while (this.#waiting !== undefined) {
      try {
        if (ready !== undefined && (await ready(consumer, signal)) === false) return false;
        const item = this.#take();
        if (item === undefined) break;
        this.#stats.delivered++;
        await deliver(item, consumer);
      } catch (error) {
        if (signal.aborted && error === signal.reason) break;
        failed(error);
        // Without this a `ready` that always rejects would spin.
        this.#take()?.release();
      }
    }
    return true;
  }
}
