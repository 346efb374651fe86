/** Reads the channels of a base name, whatever program writes them. */
import { pause } from '../../async.js';
import { BridgeError } from '../../errors.js';
import { closed, invalid, type SegmentView } from '../memory/segment-view.js';
import { LOCK_TIMEOUT_MS, Lock } from '../memory/semaphore.js';
import { readStable } from '../memory/seqlock.js';
import { systemCode } from '../memory/system-errors.js';
import { openSegment, SegmentReader, type ShmFrame, type ShmState } from '../reader.js';
import {
  ARRAY,
  type ArrayData,
  type ArrayForm,
  byteLength,
  channelNames,
  type DType,
  elements,
  readForm,
  semaphoreOf,
  TRAILER,
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
const NS_PER_MS = 1e6;
const PAUSE_MS = 1;
const LOOK_MS = 10;

/** One channel, for as long as its segment lasts. */
export class ArraySegmentReader extends SegmentReader {
  readonly layout = 'array';
  readonly form: ArrayForm;
  /** Copies that were not given because another process may have written meanwhile. */
  torn = 0;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #length: number;
  readonly #timestamp: Float64Array;
  /** Of segments that this package writes. */
  readonly #trailer: Int32Array | undefined;
  readonly #lock: Lock | undefined;
  #last: number | undefined;

  constructor(view: SegmentView) {
    super(view, ARRAY.offset.owner);
    const form = readForm(new Uint32Array(view.buffer, 0, ARRAY.headerSize / 4), view.size);
    if (typeof form === 'string') throw invalid(view.name, `${form}.`);
    this.form = form;
    this.#length = byteLength(form);
    this.#bytes = new Uint8Array(view.buffer);
    this.#timestamp = new Float64Array(view.buffer, ARRAY.offset.timestamp, 1);
    const at = trailerOffset(this.#length);
    const words = at + TRAILER.size === view.size ? new Int32Array(view.buffer, at, 4) : undefined;
    this.#trailer = words?.[TRAILER.word.magic] === TRAILER.magic ? words : undefined;
    // What has a write sequence is read without the lock, and by users who may not take it.
    this.#lock = this.#trailer ? undefined : Lock.open(semaphoreOf(view.name));
  }

  get wakeAddress(): number | undefined {
    return this.#trailer && this.view.address + this.#trailer.byteOffset + 4 * TRAILER.word.wake;
  }

  get wake(): number {
    this.view.check();
    if (this.#trailer) return Atomics.load(this.#trailer, TRAILER.word.wake);
    return new Int32Array(this.view.buffer, ARRAY.offset.timestamp, 2).reduce((a, b) => (a ^ b) | 0, 0);
  }

  /** Whether the name still leads to this segment. */
  get current(): boolean {
    return this.view.current();
  }

  next(): ShmFrame | undefined {
    const frame = this.latest();
    if (frame === undefined || mark(frame) === this.#last) return undefined;
    const counted = this.#last !== undefined && frame.sequence !== 0;
    const missed = counted ? Math.max(0, frame.sequence - this.#last! - 1) : 0;
    this.#last = mark(frame);
    return { ...frame, missed };
  }

  latest(): ShmFrame | undefined {
    const snapshot = this.read();
    if (snapshot === undefined) return undefined;
    const { data, shape, dtype, timestampMs, sequence } = snapshot;
    return {
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      jpeg: undefined,
      width: shape[1] ?? 1,
      height: shape[0] ?? 1,
      format: dtype,
      timestampNs: nanoseconds(timestampMs) ?? 0n,
      sequence,
      missed: 0,
      shape,
      dtype,
    };
  }

  skip(): void {
    const frame = this.latest();
    this.#last = frame && mark(frame);
  }

  /** A copy; undefined: none yet, or the writer is at work at this moment. Throws `SHM_INVALID` or `SHM_FAILED`. */
  read(): ArraySnapshot | undefined {
    this.view.check();
    const trailer = this.#trailer;
    if (trailer === undefined) return this.#readLocked();
    return readStable(trailer, TRAILER.word.writeSequence, () => {
      const sequence = trailer[TRAILER.word.sequence]! >>> 0;
      return sequence === 0 ? undefined : this.#copy(sequence);
    })?.value;
  }

  /** Other writers tell by the timestamp alone that there is an array. */
  get #empty(): boolean {
    return (this.#trailer?.[TRAILER.word.sequence] ?? this.#timestamp[0]) === 0;
  }

  get #timestampMs(): number {
    return this.#timestamp[0]! * MS_PER_S;
  }

  #copy(sequence: number): ArraySnapshot {
    const bytes = this.#bytes.slice(ARRAY.headerSize, ARRAY.headerSize + this.#length);
    const data = elements(bytes, this.form.dtype);
    return { ...this.form, data, timestampMs: this.#timestampMs, sequence };
  }

  /**
   * Under the lock; and because a peer can have raised its count, only what also stayed the same from before the copy
   * to after it, while nothing else came out of the lock.
   */
  #readLocked(): ArraySnapshot | undefined {
    const grip = this.#lock?.tryAcquire();
    if (grip === undefined) return undefined;
    let copy: ArraySnapshot | undefined;
    let whole = grip === 'sole';
    try {
      copy = whole && !this.#empty ? this.#copy(0) : undefined;
      if (copy !== undefined && !this.#same(copy)) whole = false;
    } finally {
      if (!this.#lock!.release()) whole = false;
    }
    if (!whole) this.torn++;
    return whole ? copy : undefined;
  }

  #same({ data, timestampMs }: ArraySnapshot): boolean {
    const now = Buffer.from(this.#bytes.buffer, ARRAY.headerSize, this.#length);
    const copied = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return now.equals(copied) && Object.is(this.#timestampMs, timestampMs);
  }

  state(): ShmState {
    this.view.check();
    return this.describe(this.#empty, nanoseconds(this.#timestampMs));
  }

  override close(): void {
    this.#lock?.close(false);
    super.close();
  }
}

/** Undefined for what is no Unix time: other programs write what they like. */
function nanoseconds(timestampMs: number): bigint | undefined {
  if (!Number.isFinite(timestampMs) || timestampMs < 0) return undefined;
  return BigInt(Math.round(timestampMs * 1_000)) * 1_000n;
}

/** Differs from array to array. */
function mark(frame: ShmFrame): number {
  return frame.sequence || Number(frame.timestampNs) / NS_PER_MS;
}

/** Reads the channels of a base name; what is asked for after `close()` ends in `SHM_FAILED`. */
export class ArrayReader {
  readonly base: string;
  readonly #channels = new Map<string, ArraySegmentReader>();
  /** Of channels that are gone. */
  #torn = 0;
  #open = true;

  constructor(base: string) {
    channelNames(base, 'image');
    this.base = base;
  }

  /**
   * The channel's array; undefined when there is no such channel, nothing in it yet, or its writer did not let go of it
   * within a second. Rejects with `SHM_INVALID` or `SHM_FAILED`.
   */
  async getArray(name: string): Promise<ArraySnapshot | undefined> {
    const end = performance.now() + LOCK_TIMEOUT_MS;
    for (;;) {
      const channel = this.#channel(name);
      const snapshot = channel?.read();
      if (snapshot !== undefined || channel === undefined || channel.state().status === 'empty')
        return snapshot;
      if (performance.now() >= end) return undefined;
      await pause(PAUSE_MS);
    }
  }

  getImage = (): Promise<ArraySnapshot | undefined> => this.getArray('image');
  getDepth = (): Promise<ArraySnapshot | undefined> => this.getArray('depth');
  getPointcloud = (): Promise<ArraySnapshot | undefined> => this.getArray('pointcloud');
  getMask = (): Promise<ArraySnapshot | undefined> => this.getArray('mask');

  /**
   * Copies of other programs' arrays that were taken back because the semaphore, posted once too often, or the bytes told
   * that another process may have written meanwhile; the next try follows. Arrays of this package are never torn.
   */
  get torn(): number {
    return Array.from(this.#channels.values()).reduce((sum, { torn }) => sum + torn, this.#torn);
  }

  /** Undefined when there is no such channel. */
  getShape(name: string): readonly number[] | undefined {
    return this.#channel(name)?.form.shape;
  }

  getDtype(name: string): DType | undefined {
    return this.#channel(name)?.form.dtype;
  }

  getNdim(name: string): number | undefined {
    return this.getShape(name)?.length;
  }

  /** Waits until the channel exists; false when it does not within `timeoutMs`. */
  async waitForArray(name: string, timeoutMs = 5_000): Promise<boolean> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      try {
        if (this.#channel(name) !== undefined) return true;
      } catch (error) {
        // A writer of the public package fills in the header after the name is there.
        if (!(error instanceof BridgeError) || error.code !== 'SHM_INVALID') throw error;
      }
      const left = end - performance.now();
      if (left <= 0) return false;
      await pause(Math.min(LOOK_MS, left));
    }
  }

  /** The channel that has the name now. */
  #channel(name: string): ArraySegmentReader | undefined {
    if (!this.#open) throw closed(this.base);
    const known = this.#channels.get(name);
    if (known?.current === true) return known;
    let opened: ArraySegmentReader | undefined;
    try {
      opened = openSegment(
        channelNames(this.base, name).segment,
        ARRAY.headerSize,
        (view) => new ArraySegmentReader(view),
      );
      this.#channels.set(name, opened);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      // Its writer has ended, and nothing has the name.
      this.#channels.delete(name);
    }
    this.#torn += known?.torn ?? 0;
    known?.close();
    return opened;
  }

  /** Unmaps everything. Idempotent. */
  close(): void {
    this.#open = false;
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}

/** A reader of the channels of a base name; they need not exist yet. Throws `OPTION_INVALID`. */
export function openArrayReader(base: string): ArrayReader {
  return new ArrayReader(base);
}
