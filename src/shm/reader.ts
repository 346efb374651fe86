/** What readers of every layout have in common. */
import type { DType } from './arrays/array-layout.js';
import { decodeOwner, liveness, OWNER_SIZE } from './memory/owner.js';
import { type SegmentView, viewSegment } from './memory/segment-view.js';

/** A frame of any layout, copied: it stays as it is. */
export interface ShmFrame {
  /** The frame's bytes: a copy; while it is read in place, the ring's own memory. */
  readonly data: Uint8Array;
  /** `data` when it is one whole JPEG (format `MJPG`, which is what the bridge writes by default). */
  readonly jpeg: Uint8Array | undefined;
  /** Pixels; of an array, its second and first dimension. */
  readonly width: number;
  readonly height: number;
  /** Like `MJPG`, `RGB3`; of an array, its dtype. */
  readonly format: string;
  /**
   * Unix time, when the writer keeps to the convention; 0 when it has none. Of the bridge: when the picture was captured,
   * where the camera's script tells, else when it came.
   */
  readonly timestampNs: bigint;
  /** The producer's count, different for every frame; 0 in arrays of other programs. */
  readonly sequence: number;
  /** Frames between the one before and this one that this reader did not get. */
  readonly missed: number;
  /** Of an array. */
  readonly shape: readonly number[] | undefined;
  readonly dtype: DType | undefined;
}

export type ShmLayout = 'vizn' | 'ring' | 'array';

export interface ShmState {
  /**
   * - `empty`: no frame yet.
   * - `live`: there is a frame, and nothing says that the writer is gone.
   * - `stale`: the writer died; what is whole can still be read.
   * - `gone`: the writer closed the segment, or its name was removed or leads to a newer one: open it again.
   */
  readonly status: 'empty' | 'live' | 'stale' | 'gone';
  /** Undefined when the writer records no owner (another program than the bridge). */
  readonly ownerPid: number | undefined;
  /** Undefined when it is not known: no owner recorded, or one in another container. */
  readonly ownerAlive: boolean | undefined;
  /** Milliseconds since the newest frame's timestamp, at least 0; undefined when there is none, or it tells no time. */
  readonly frameAgeMs: number | undefined;
}

/** What was made of a frame in place. */
export interface InPlace<T> {
  readonly value: T;
  /** False: the writer used the frame's memory again meanwhile, and `value` is made of more than one frame. */
  readonly whole: boolean;
}

export const NO_ARRAY = { shape: undefined, dtype: undefined };
const NS_PER_MS = 1_000_000n;

/** One mapped segment. `check()` comes before each touch of its bytes. */
export abstract class SegmentReader {
  abstract readonly layout: ShmLayout;
  readonly name: string;
  readonly size: number;
  protected readonly view: SegmentView;
  readonly #ownerOffset: number;

  constructor(view: SegmentView, ownerOffset: number) {
    this.view = view;
    this.name = view.name;
    this.size = view.size;
    this.#ownerOffset = ownerOffset;
  }

  /** Address of the word that the writer raises and wakes readers by; undefined when it has none. */
  abstract get wakeAddress(): number | undefined;
  /** That word, or another that changes with every frame: take it before looking for one. Throws as `next()` does. */
  abstract get wake(): number;
  /** The next frame that this reader has not given yet; undefined when there is none. */
  abstract next(): ShmFrame | undefined;
  /** The newest frame, given before or not. */
  abstract latest(): ShmFrame | undefined;
  /** What is there already is not given by `next()`. */
  abstract skip(): void;
  abstract state(): ShmState;

  /** Whether its writer closed it, or its name leads elsewhere: cheaper than `state()`. */
  get gone(): boolean {
    this.view.check();
    return this.#owner()?.closed === true || !this.view.current();
  }

  close(): void {
    this.view.close();
  }

  /** `timestampNs` of the newest frame; undefined: it is not known. */
  protected describe(empty: boolean, timestampNs: bigint | undefined): ShmState {
    const { gone } = this;
    const owner = this.#owner();
    const life = owner === undefined ? 'unknown' : liveness(owner);
    const ageMs = timestampNs === undefined ? undefined : Date.now() - Number(timestampNs / NS_PER_MS);
    return {
      status: gone ? 'gone' : life === 'dead' ? 'stale' : empty ? 'empty' : 'live',
      ownerPid: owner?.pid,
      ownerAlive: life === 'unknown' ? undefined : life === 'alive',
      frameAgeMs: empty || ageMs === undefined ? undefined : Math.max(0, ageMs),
    };
  }

  #owner() {
    return decodeOwner(
      new Uint8Array(this.view.buffer, 0, this.#ownerOffset + OWNER_SIZE),
      this.#ownerOffset,
    );
  }
}

/** Maps the segment `name`, which is at least `leastSize` bytes long, and gives it back if `make` throws. */
export function openSegment<T>(name: string, leastSize: number, make: (view: SegmentView) => T): T {
  const view = viewSegment(name, leastSize);
  try {
    return make(view);
  } catch (error) {
    view.close();
    throw error;
  }
}

const FORMAT_NAME_SIZE = 16;

/** The name of a format, out of the NUL-padded field at `offset`. */
export function formatName(bytes: Uint8Array, offset: number): string {
  const field = bytes.subarray(offset, offset + FORMAT_NAME_SIZE);
  const end = field.indexOf(0);
  return String.fromCharCode(...field.subarray(0, end < 0 ? field.length : end));
}
