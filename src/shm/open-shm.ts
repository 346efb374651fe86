/** The reading end for programs: any layout, any writer, over the life of any number of them. */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Observable } from 'rxjs';
import { BridgeError } from '../errors.js';
import { Followed } from './followed.js';
import { type FrameSource, openSource, type ShmFrame, type ShmLayout } from './frame-source.js';
import { segmentName } from './memory/segment-name.js';
import { systemCode } from './memory/system-errors.js';
import type { ShmState } from './reader-state.js';
import type { RingLease } from './ring/ring-types.js';

export interface FollowOptions {
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
  /**
   * `true`, the default: when the writer goes, wait for the next one, for as long as it takes. `false`: the iteration
   * ends when the segment is closed or its writer is dead, and all that could be read has been given.
   */
  readonly follow?: boolean;
  /** Whether what is in the segment already is given first (a ring: all of it). Default true. */
  readonly existing?: boolean;
}

export interface ShmReader {
  /** The segment's: `/cam_image_shm` also when `cam_image` was asked for. */
  readonly name: string;
  readonly layout: ShmLayout;
  /** Bytes of the segment. */
  readonly size: number;
  /**
   * A copy of the newest frame; undefined when there is none, or none could be had at this moment. A segment whose writer
   * has ended, and that was taken away or over, is left: what has the name now is opened, and as long as nothing has it
   * the answer is undefined. Throws `SHM_INVALID` for what was cut short, `SHM_FAILED` after `close()`.
   */
  latest(): ShmFrame | undefined;
  /**
   * Every frame of a ring, the newest of the other layouts, as they come, copied. Sleeps in between: neither the event
   * loop nor a processor is kept busy. Each call has a cursor and a mapping of its own, given back when the iteration
   * ends: it begins with the segment that has the name by then. If there is none, because the writer has ended since
   * `openShm`, it waits for the next writer, or ends at once without `follow`. Throws what `openShm` throws, except for
   * that.
   */
  frames(options?: FollowOptions): AsyncGenerator<ShmFrame, void, void>;
  /** The same without copying, of a ring: each frame is valid until the next one is asked for. `OPTION_INVALID` otherwise. */
  leases(options?: FollowOptions): AsyncGenerator<RingLease, void, void>;
  /** `frames()` as an observable: one iteration for every subscription. */
  readonly frames$: Observable<ShmFrame>;
  /** Of the segment that was opened last, by `openShm` or by `latest()`. */
  state(): ShmState;
  /** Ends all iterations and unmaps the segment. Idempotent. */
  close(): Promise<void>;
}

/** How often to look for a segment that is not there. */
const REOPEN_MS = 50;
/** Frames in a row before other work on the event loop gets its turn. */
const FRAMES_A_TURN = 32;

/** Other programs fill their segments in under the name. */
function isUnreadable(error: unknown): boolean {
  return error instanceof BridgeError && error.code === 'SHM_INVALID';
}

/** What has the name now; undefined: nothing, or nothing that can be read, or not for long. */
function nextSource(name: string): FrameSource | undefined {
  try {
    const fresh = openSource(name);
    if (!fresh.gone()) return fresh;
    fresh.close();
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && !isUnreadable(error)) throw error;
  }
  return undefined;
}

class Reader implements ShmReader {
  readonly name: string;
  readonly frames$: Observable<ShmFrame>;
  #source: FrameSource;
  readonly #closed = new AbortController();
  readonly #open = new Set<Followed>();

  constructor(name: string) {
    this.#source = openSource(segmentName(name));
    this.name = this.#source.name;
    this.frames$ = new Observable((subscriber) => {
      const stop = new AbortController();
      const give = async (): Promise<void> => {
        for await (const frame of this.frames({ signal: stop.signal })) subscriber.next(frame);
        subscriber.complete();
      };
      give().catch((error: unknown) => subscriber.error(error));
      return () => stop.abort();
    });
  }

  get layout(): ShmLayout {
    return this.#source.layout;
  }

  get size(): number {
    return this.#source.size;
  }

  latest(): ShmFrame | undefined {
    if (this.#source.gone()) {
      const fresh = nextSource(this.name);
      if (fresh === undefined) return undefined;
      this.#source.close();
      this.#source = fresh;
    }
    return this.#source.latest();
  }

  state(): ShmState {
    return this.#source.state();
  }

  frames(options: FollowOptions = {}): AsyncGenerator<ShmFrame, void, void> {
    return this.#iterate(options, (source) => () => source.next());
  }

  async *leases(options: FollowOptions = {}): AsyncGenerator<RingLease, void, void> {
    if (this.layout !== 'ring') {
      throw new BridgeError('OPTION_INVALID', `${this.name} is no ring: read it with frames().`, {
        context: { name: this.name, layout: this.layout },
      });
    }
    for await (const lease of this.#iterate(options, (source) => () => source.lease?.())) {
      try {
        yield lease;
      } finally {
        lease.release();
      }
    }
  }

  async *#iterate<T>(
    options: FollowOptions,
    taker: (source: FrameSource) => () => T | undefined,
  ): AsyncGenerator<T, void, void> {
    const { follow = true, existing = true } = options;
    const signal = options.signal
      ? AbortSignal.any([options.signal, this.#closed.signal])
      : this.#closed.signal;
    let followed: Followed | undefined;
    let first = true;
    try {
      for (; !signal.aborted; first = false) {
        followed = await this.#find(follow, first);
        if (followed === undefined) {
          if (!follow) return;
          await sleep(REOPEN_MS, undefined, { signal }).catch(() => undefined);
          continue;
        }
        this.#open.add(followed);
        if (first && !existing) followed.source.skip();
        const take = taker(followed.source);
        for (let count = 1; ; count++) {
          const taken = await followed.next(take, follow, signal);
          if (taken === undefined) break;
          yield taken;
          if (count % FRAMES_A_TURN === 0) await turn();
        }
        await followed.close();
        this.#open.delete(followed);
        if (!follow) return;
      }
    } finally {
      await followed?.close();
      if (followed) this.#open.delete(followed);
    }
  }

  /**
   * The segment that has the name now; undefined when there is none. With `follow`, what cannot be read yet is none,
   * and after the first neither is one whose writer has ended: there will be another under the name.
   */
  async #find(follow: boolean, first: boolean): Promise<Followed | undefined> {
    try {
      const followed = new Followed(this.name);
      if (first || followed.source.state().status !== 'gone') return followed;
      await followed.close();
    } catch (error) {
      const none = systemCode(error) === 'ENOENT' || (follow && isUnreadable(error));
      if (!none) throw error;
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#open].map((followed) => followed.close()));
    this.#source.close();
  }
}

/**
 * Opens the shared memory `name` for reading, whatever layout it has and whoever writes it; when there is none, that of
 * the array `name`, which is `name_shm`. `waitForShm` waits until there is one. Throws `SHM_FAILED`
 * (`context.errno` is `ENOENT` when there is none), `SHM_INVALID` when it has no layout that we know,
 * `OPTION_INVALID` or `UNSUPPORTED`.
 */
export function openShm(name: string): ShmReader {
  return new Reader(name);
}
