import { BridgeError } from '../errors.js';

/** Something that holds a resource until it is released, such as a frame's image file. */
export interface Releasable {
  release(): void;
}

/**
 * `latest`: while one item is worked on, the newest waits and older ones are released unseen.
 * `every`: nothing is skipped; the source waits for room.
 */
export const DELIVERY_POLICIES = ['latest', 'every'] as const;
export type DeliveryPolicy = (typeof DELIVERY_POLICIES)[number];

export interface DeliveryOptions<T extends Releasable> {
  readonly policy: DeliveryPolicy;
  /** Works on one item. The item belongs to it from here on, its release included. */
  deliver(item: T): Promise<unknown>;
  /**
   * Waited for before an item is taken, so that under `latest` it is still the newest one when a consumer that
   * was away comes back.
   */
  ready?(): Promise<unknown>;
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

/** Stands between a source of items and a consumer that takes one at a time. Holds one waiting item at most. */
export class Delivery<T extends Releasable> {
  readonly #options: DeliveryOptions<T>;
  readonly #stats = { offered: 0, delivered: 0, replaced: 0 };
  #waiting: T | undefined;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: DeliveryOptions<T>) {
    this.#options = options;
  }

  /**
   * Gives one item away. Resolves when there is room for the next: at once under `latest`; under `every` when no
   * item waits, and a source that offers before that gets INTERNAL (its item is released). After `close()` items
   * are released at once.
   */
  offer(item: T): Promise<void> {
    if (this.#closed) {
      item.release();
      return ROOM;
    }
    this.#stats.offered += 1;
    const replaced = this.#waiting;
    if (replaced !== undefined && this.#options.policy === 'every') {
      item.release();
      throw new BridgeError(
        'INTERNAL',
        'A frame was offered while another one waited: under the policy "every" the source waits for room.',
      );
    }
    this.#waiting = item;
    if (replaced !== undefined) {
      this.#stats.replaced += 1;
      replaced.release();
    }
    this.#running ??= this.#run();
    if (this.#waiting === undefined || this.#options.policy === 'latest') return ROOM;
    this.#room ??= makeRoom();
    return this.#room.promise;
  }

  get stats(): DeliveryStats {
    return { ...this.#stats };
  }

  /** Releases what waits and takes no more. Resolves when the item being worked on is done. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#take()?.release();
    await this.#running;
  }

  #take(): T | undefined {
    const item = this.#waiting;
    this.#waiting = undefined;
    this.#room?.resolve();
    this.#room = undefined;
    return item;
  }

  async #run(): Promise<void> {
    while (this.#waiting !== undefined) {
      try {
        if (this.#options.ready !== undefined) await this.#options.ready();
        const item = this.#take();
        if (item === undefined) break;
        this.#stats.delivered += 1;
        await this.#options.deliver(item);
      } catch (error) {
        this.#options.failed(error);
        // Without this a `ready` that always rejects would spin.
        this.#take()?.release();
      }
    }
    this.#running = undefined;
  }
}

function makeRoom(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
