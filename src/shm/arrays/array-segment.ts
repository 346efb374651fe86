/** Reads one array segment, whoever writes it. */

import { invalid, type SegmentView, viewSegment } from '../memory/segment-view.js';
import { Lock } from '../memory/semaphore.js';
import { readStable } from '../memory/seqlock.js';
import { isGone, type ShmState, segmentState } from '../reader-state.js';
import {
  ARRAY_HEADER_SIZE,
  ARRAY_OFFSET,
  type ArrayData,
  type ArrayForm,
  byteLength,
  type DType,
  elements,
  readForm,
  semaphoreOf,
  TRAILER_MAGIC,
  TRAILER_OFFSET,
  TRAILER_SIZE,
  trailerOffset,
} from './array-layout.js';

export interface ArraySnapshot {
  /** A copy, typed by the dtype (bool: Uint8Array of 0 and 1). */
  readonly data: ArrayData;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Unix time, when the writer keeps to the convention. */
  readonly timestampMs: number;
  /** The producer's count, of the bridge's arrays that of delivered frames; 0 of other programs. */
  readonly sequence: number;
}

const MS_PER_S = 1_000;

/** Whether a timestamp in milliseconds can be one: other programs write what they like. */
export function tellsTime(timestampMs: number): boolean {
  return Number.isFinite(timestampMs) && timestampMs >= 0;
}

/** One segment, for as long as it lasts. */
export class ArraySegmentReader {
  readonly view: SegmentView;
  readonly form: ArrayForm;
  readonly name: string;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #length: number;
  readonly #timestamp: Float64Array;
  /** Of segments that this package writes. */
  readonly #trailer: Int32Array | undefined;
  readonly #lock: Lock | undefined;
  #open = true;

  constructor(view: SegmentView) {
    const form = readForm(new Uint32Array(view.buffer, 0, ARRAY_HEADER_SIZE / 4), view.size);
    if (typeof form === 'string') {
      view.close();
      throw invalid(view.name, `${form}.`);
    }
    this.view = view;
    this.name = view.name;
    this.form = form;
    this.#length = byteLength(form);
    this.#bytes = new Uint8Array(view.buffer);
    this.#timestamp = new Float64Array(view.buffer, ARRAY_OFFSET.timestamp, 1);
    const at = trailerOffset(this.#length);
    const words = at + TRAILER_SIZE === view.size ? new Int32Array(view.buffer, at, 4) : undefined;
    this.#trailer = words?.[TRAILER_OFFSET.magic / 4] === TRAILER_MAGIC ? words : undefined;
    // What has a write sequence is read without the lock, and by users who may not take it.
    if (this.#trailer === undefined) {
      try {
        this.#lock = Lock.open(semaphoreOf(view.name));
      } catch (error) {
        view.close();
        throw error;
      }
    }
  }

  /** Address of the wake word; undefined when the writer has none. */
  get wakeAddress(): number | undefined {
    return this.#trailer && this.view.address + this.#trailer.byteOffset + TRAILER_OFFSET.wake;
  }

  /** Changes with every array: the wake word, or something made of the timestamp. */
  get wake(): number {
    this.view.check();
    if (this.#trailer) return Atomics.load(this.#trailer, TRAILER_OFFSET.wake / 4);
    return new Int32Array(this.view.buffer, ARRAY_OFFSET.timestamp, 2).reduce((a, b) => (a ^ b) | 0, 0);
  }

  /** A copy; undefined: none yet, or the writer is at work at this moment. Throws `SHM_INVALID` or `SHM_FAILED`. */
  read(): ArraySnapshot | undefined {
    this.view.check();
    return this.#trailer ? this.#readWithSequence(this.#trailer) : this.#readLocked();
  }

  /** Other writers tell by the timestamp alone that there is an array. */
  get #empty(): boolean {
    return (this.#trailer?.[TRAILER_OFFSET.sequence / 4] ?? this.#timestamp[0]) === 0;
  }

  #copy(sequence: number): ArraySnapshot {
    const timestampMs = this.#timestamp[0]! * MS_PER_S;
    const bytes = this.#bytes.slice(ARRAY_HEADER_SIZE, ARRAY_HEADER_SIZE + this.#length);
    return { ...this.form, data: elements(bytes, this.form.dtype), timestampMs, sequence };
  }

  #readWithSequence(trailer: Int32Array): ArraySnapshot | undefined {
    return readStable(trailer, TRAILER_OFFSET.writeSequence / 4, () => {
      const sequence = trailer[TRAILER_OFFSET.sequence / 4]! >>> 0;
      return sequence === 0 ? undefined : this.#copy(sequence);
    })?.value;
  }

  /**
   * Under the lock; and because a peer can have raised its count, only what also stayed the same from before the copy
   * to after it, while nobody else came out of the lock.
   */
  #readLocked(): ArraySnapshot | undefined {
    const lock = this.#lock;
    const grip = lock?.tryAcquire();
    if (lock === undefined || grip === undefined) return undefined;
    let copy: ArraySnapshot | undefined;
    try {
      copy = grip === 'sole' && !this.#empty ? this.#copy(0) : undefined;
      if (copy !== undefined && !this.#same(copy)) copy = undefined;
    } finally {
      if (!lock.release()) copy = undefined;
    }
    return copy;
  }

  #same({ data, timestampMs }: ArraySnapshot): boolean {
    const now = Buffer.from(this.#bytes.buffer, ARRAY_HEADER_SIZE, this.#length);
    return (
      now.equals(Buffer.from(data.buffer, data.byteOffset, data.byteLength)) &&
      Object.is(this.#timestamp[0]! * MS_PER_S, timestampMs)
    );
  }

  /** Whether there is, or will be, another segment to read. */
  get gone(): boolean {
    return isGone(this.view, ARRAY_OFFSET.owner);
  }

  state(): ShmState {
    this.view.check();
    const timestampMs = this.#timestamp[0]! * MS_PER_S;
    const empty = this.#empty;
    return {
      ...segmentState(this.view, ARRAY_OFFSET.owner, empty),
      frameAgeMs: empty || !tellsTime(timestampMs) ? undefined : Math.max(0, Date.now() - timestampMs),
    };
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#lock?.close(false);
    this.view.close();
  }
}

/** One channel by its segment's name, such as `/cam_image_shm`. Throws as `viewSegment` does. */
export function openArraySegment(segment: string): ArraySegmentReader {
  return new ArraySegmentReader(viewSegment(segment, ARRAY_HEADER_SIZE));
}
