/** The reading end for programs: any layout, any writer, over the life of any number of them. */
import { setImmediate as turn } from 'node:timers/promises';
import { Observable } from 'rxjs';
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { ARRAY } from './arrays/array-layout.js';
import { ArraySegmentReader } from './arrays/array-reader.js';
import { segmentName } from './memory/segment-layout.js';
import type { SegmentView } from './memory/segment-view.js';
import { systemCode } from './memory/system-errors.js';
import { Waiter } from './memory/waiter.js';
import {
  type InPlace,
  openSegment,
  type SegmentReader,
  type ShmFrame,
  type ShmLayout,
  type ShmState,
} from './reader.js';
import { RING } from './ring/ring-layout.js';
import { type RingFrame, RingReader } from './ring/ring-reader.js';
import { ViznReader } from './vizn/vizn-reader.js';

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

export interface WaitOptions {
  /** Milliseconds. Default: for as long as it takes. */
  readonly timeoutMs?: number;
  /** Ends the waiting; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** How often to look for a segment that is not there. */
const REOPEN_MS = 50;
/** How long to sleep before looking whether the writer still lives. */
const LOOK_AFTER_MS = 500;
/** Frames in a row before other work on the event loop gets its turn. */
const FRAMES_A_TURN = 32;
/** Anything smaller is no segment. */
const LEAST_SIZE = ARRAY.headerSize;
/** What the bridge calls `cam_image` is the segment `cam_image_shm`. */
const ARRAY_SUFFIX = '_shm';

const isAbsent = (error: unknown): boolean => systemCode(error) === 'ENOENT';
const hasCode = (error: unknown, code: string): boolean =>
  error instanceof BridgeError && error.code === code;

/** A reader for the layout that the segment begins with. */
function readerOf(view: SegmentView): SegmentReader {
  switch (new Uint32Array(view.buffer, 0, 1)[0]) {
    case RING.magic:
      return new RingReader(view);
    case ARRAY.magic:
      return new ArraySegmentReader(view);
    default:
      return new ViznReader(view);
  }
}

/** Opens the segment that has the name now, or the name with `_shm` behind it. */
function openAny(name: string): SegmentReader {
  try {
    return openSegment(name, LEAST_SIZE, readerOf);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    try {
      return openSegment(name + ARRAY_SUFFIX, LEAST_SIZE, readerOf);
    } catch (second) {
      // Told of the name that was asked for. With the suffix it can be too long.
      throw isAbsent(second) || hasCode(second, 'OPTION_INVALID') ? error : second;
    }
  }
}

/** What has the name now; undefined: nothing, or, to the patient, nothing that can be read yet (others fill in later). */
function openIfThere(name: string, patient: boolean): SegmentReader | undefined {
  try {
    return openAny(name);
  } catch (error) {
    if (isAbsent(error) || (patient && hasCode(error, 'SHM_INVALID'))) return undefined;
    throw error;
  }
}

/** The same, without one whose writer has ended: there will be another under the name. */
function openNext(name: string, patient: boolean): SegmentReader | undefined {
  const source = openIfThere(name, patient);
  if (!source?.gone) return source;
  source.close();
  return undefined;
}

/** The next that `take` has, or undefined when the segment has no more to give, or the signal says stop. */
async function nextOf<T>(
  source: SegmentReader,
  waiter: Waiter,
  take: () => T | undefined,
  follow: boolean,
  signal: AbortSignal,
): Promise<T | undefined> {
  let before: number | undefined;
  // When the signal is aborted the segment may be unmapped.
  while (!signal.aborted) {
    const seen = source.wake;
    const taken = take();
    if (taken !== undefined) return taken;
    // Whether the writer lives is asked only when there is nothing to give: it takes a while.
    if (before !== undefined) {
      const { status } = source.state();
      // The last may have come between the look and the end.
      if (status === 'gone' || (status === 'stale' && !follow && seen === before)) return take();
    }
    before = seen;
    await waiter.wait(seen, LOOK_AFTER_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
  return undefined;
}

/** What `openShm` gives: a segment, and what has its name after it. */
export class ShmReader {
  /** The segment's: `/cam_image_shm` also when `cam_image` was asked for. */
  readonly name: string;
  /** `frames()` as an observable: one iteration for every subscription. */
  readonly frames$: Observable<ShmFrame>;
  #source: SegmentReader;
  readonly #closed = new AbortController();
  /** Each gives back what an iteration holds. */
  readonly #iterations = new Set<() => Promise<void>>();

  constructor(name: string) {
    this.#source = openAny(segmentName(name));
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

  /** Bytes of the segment. */
  get size(): number {
    return this.#source.size;
  }

  /**
   * A copy of the newest frame; undefined when there is none, or none could be had at this moment. A segment whose writer
   * has ended, and that was taken away or over, is left: what has the name now is opened, and as long as nothing has it
   * the answer is undefined. Throws `SHM_INVALID` for what was cut short, `SHM_FAILED` after `close()`.
   */
  latest(): ShmFrame | undefined {
    if (this.#source.gone) {
      const fresh = openNext(this.name, true);
      if (fresh === undefined) return undefined;
      this.#source.close();
      this.#source = fresh;
    }
    return this.#source.latest();
  }

  /** Of the segment that was opened last, by `openShm` or by `latest()`. */
  state(): ShmState {
    return this.#source.state();
  }

  /**
   * Every frame of a ring, the newest of the other layouts, as they come, copied. Sleeps in between: neither the event
   * loop nor a processor is kept busy. Each call has a cursor and a mapping of its own, given back when the iteration
   * ends: it begins with the segment that has the name by then. If there is none, because the writer has ended since
   * `openShm`, it waits for the next writer, or ends at once without `follow`. Throws what `openShm` throws, except for
   * that.
   */
  frames(options: FollowOptions = {}): AsyncGenerator<ShmFrame, void, void> {
    return this.#iterate(options, (source) => source.next());
  }

  /**
   * The same of a ring without copying: calls `use` with each frame in place, and gives what it returned and whether the
   * frame was whole until then. `use` does not wait, and nothing touches the frame's `data` after it: that is read-only
   * memory which the writer uses again, and which goes with the reader. `OPTION_INVALID` for another layout.
   */
  inPlace<T>(
    use: (frame: RingFrame) => T,
    options: FollowOptions = {},
  ): AsyncGenerator<InPlace<T>, void, void> {
    return this.#iterate(options, (source) => {
      if (source instanceof RingReader) return source.inPlace(use);
      throw new BridgeError('OPTION_INVALID', `${this.name} is no ring: read it with frames().`, {
        context: { name: this.name, layout: source.layout },
      });
    });
  }

  async *#iterate<T>(
    options: FollowOptions,
    take: (source: SegmentReader) => T | undefined,
  ): AsyncGenerator<T, void, void> {
    const { follow = true, existing = true } = options;
    const { signal: end } = this.#closed;
    const signal = options.signal ? AbortSignal.any([options.signal, end]) : end;
    for (let first = true; !signal.aborted; first = false) {
      const source = first ? openIfThere(this.name, follow) : openNext(this.name, follow);
      if (source === undefined) {
        if (!follow) return;
        await pause(REOPEN_MS, signal).catch(() => undefined);
        continue;
      }
      yield* this.#drain(source, first && !existing, () => take(source), follow, signal);
      if (!follow) return;
    }
  }

  /** All that one segment has to give. */
  async *#drain<T>(
    source: SegmentReader,
    skip: boolean,
    take: () => T | undefined,
    follow: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<T, void, void> {
    let waiter: Waiter | undefined;
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= Promise.resolve(waiter?.close()).then(() => source.close());
      return closing;
    };
    this.#iterations.add(close);
    try {
      waiter = new Waiter(source);
      if (skip) source.skip();
      for (let count = 1; ; count++) {
        const taken = await nextOf(source, waiter, take, follow, signal);
        if (taken === undefined) return;
        yield taken;
        if (count % FRAMES_A_TURN === 0) await turn();
      }
    } finally {
      await close();
      this.#iterations.delete(close);
    }
  }

  /** Ends all iterations and unmaps the segment. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#iterations].map((close) => close()));
    this.#source.close();
  }
}

/**
 * Opens the shared memory `name` for reading, whatever layout it has and whatever program writes it; when there is none,
 * that of the array `name`, which is `name_shm`. `waitForShm` waits until there is one. Throws `SHM_FAILED`
 * (`context.errno` is `ENOENT` when there is none), `SHM_INVALID` when it has no layout that we know,
 * `OPTION_INVALID` or `UNSUPPORTED`.
 */
export function openShm(name: string): ShmReader {
  return new ShmReader(name);
}

/**
 * Opens the shared memory `name` as `openShm` does, once there is any. Rejects with what `openShm` throws: that there is
 * none (`SHM_FAILED`, `context.errno` is `ENOENT`) when the time is up, anything else at once.
 */
export async function waitForShm(name: string, options: WaitOptions = {}): Promise<ShmReader> {
  const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
  const end = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return openShm(name);
    } catch (error) {
      const left = end - performance.now();
      if (!isAbsent(error) || left <= 0) throw error;
      await pause(Math.min(REOPEN_MS, left), signal);
    }
  }
}
