/** Writes the channels of a base name. */
import { isDeepStrictEqual, types } from 'node:util';
import { Mutex } from '../../async.js';
import { BridgeError } from '../../errors.js';
import { checkInteger, nanoseconds, sequenceWord, writerClosed } from '../frame-values.js';
import { closeAtExit } from '../memory/cleanup.js';
import { createSegment, type Segment } from '../memory/segment.js';
import { Lock, unlinkSemaphore } from '../memory/semaphore.js';
import { beginWrite, endWrite } from '../memory/seqlock.js';
import { clearName } from '../memory/stale.js';
import {
  ARRAY_HEADER_SIZE,
  ARRAY_OFFSET,
  type ArrayData,
  type ArrayForm,
  arrayLayout,
  arraySegmentSize,
  byteLength,
  type ChannelNames,
  channelNames,
  checkForm,
  type DType,
  dtypeNumber,
  dtypeOf,
  TRAILER_MAGIC,
  TRAILER_OFFSET,
  trailerOffset,
} from './array-layout.js';

export interface ArrayOptions {
  /** 1 to 5 dimensions, C order; default: one dimension, the array's length. */
  readonly shape?: readonly number[];
  /** Default: that of the typed array. Booleans are a Uint8Array of 0 and 1 with dtype `bool`. */
  readonly dtype?: DType;
  /** Unix time, from 0; default: now. */
  readonly timestampMs?: number;
  /** The producer's count, from 1, kept as 32 bits without 0. Default: one more than the channel's last. */
  readonly sequence?: number;
}

export interface ArrayWriter {
  readonly base: string;
  /**
   * Publishes an array in the channel `name`, which is made by the first call. Another shape or dtype makes a new
   * segment; readers keep the old one until they look again. Resolves when it is published: after a second at the
   * latest, because a reader that died with the lock in hand is not waited for any longer. Calls for one channel are
   * done in turn, and `data` must not change before its call has resolved. Rejects with `OPTION_INVALID`, `SHM_IN_USE`, `SHM_FULL`, `UNSUPPORTED` or `SHM_FAILED`.
   */
  setArray(name: string, data: ArrayData, options?: ArrayOptions): Promise<void>;
  /** The channel `image`: by convention uint8 of height x width x 3, or height x width. */
  setImage(data: ArrayData, options?: ArrayOptions): Promise<void>;
  setDepth(data: ArrayData, options?: ArrayOptions): Promise<void>;
  setPointcloud(data: ArrayData, options?: ArrayOptions): Promise<void>;
  setMask(data: ArrayData, options?: ArrayOptions): Promise<void>;
  /** Throws `SHM_IN_USE` when the channel's name is somebody else's; clears what a dead process left of it. */
  check(name: string): void;
  /** Removes every channel. Idempotent. */
  close(): void;
}

export interface ArrayWriterOptions {
  readonly base: string;
  /** Permissions of segments and semaphores. Default 0o600; readers of the public package need to write as well. */
  readonly mode?: number;
}

const MS_PER_S = 1_000;

/** A program that finds the old semaphore beside the new segment would lock something else than we do. */
function layoutOf({ semaphore }: ChannelNames) {
  return arrayLayout(() => unlinkSemaphore(semaphore));
}

/** One segment and its semaphore. */
class Channel {
  readonly form: ArrayForm;
  readonly #segment: Segment;
  readonly #lock: Lock;
  readonly #trailer: Int32Array;
  readonly #forget: () => void;
  #open = true;

  constructor(base: string, name: string, form: ArrayForm, mode: number) {
    checkForm(form);
    const names = channelNames(base, name);
    const trailer = trailerOffset(byteLength(form));
    const initialise = (buffer: ArrayBuffer): void => {
      const words = new Uint32Array(buffer);
      words[ARRAY_OFFSET.dtype / 4] = dtypeNumber(form.dtype)!;
      words[ARRAY_OFFSET.ndim / 4] = form.shape.length;
      words.set(form.shape, ARRAY_OFFSET.dims / 4);
      words[(trailer + TRAILER_OFFSET.magic) / 4] = TRAILER_MAGIC;
    };
    this.form = form;
    this.#segment = createSegment(
      { name: names.segment, size: arraySegmentSize(form), mode, initialise },
      layoutOf(names),
    );
    this.#trailer = new Int32Array(this.#segment.buffer, trailer, 4);
    try {
      this.#lock = Lock.create(names.semaphore, mode);
    } catch (error) {
      this.#segment.close();
      throw error;
    }
    this.#forget = closeAtExit(() => this.close());
  }

  async write(data: ArrayData, timestampMs: number, sequence: number | undefined): Promise<void> {
    const grip = await this.#lock.acquire();
    if (grip === 'shared') await this.#lock.settle();
    // Closed while it waited.
    if (!this.#open) return;
    const trailer = this.#trailer;
    beginWrite(trailer, TRAILER_OFFSET.writeSequence / 4);
    new Float64Array(this.#segment.buffer, ARRAY_OFFSET.timestamp, 1)[0] = timestampMs / MS_PER_S;
    new Uint8Array(this.#segment.buffer).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      ARRAY_HEADER_SIZE,
    );
    const last = trailer[TRAILER_OFFSET.sequence / 4]! >>> 0;
    trailer[TRAILER_OFFSET.sequence / 4] = sequenceWord(sequence ?? last + 1);
    endWrite(trailer, TRAILER_OFFSET.writeSequence / 4);
    this.#lock.release();
    this.#segment.wake();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#forget();
    this.#lock.close(true);
    this.#segment.close();
  }
}

class ChannelsWriter implements ArrayWriter {
  readonly base: string;
  readonly #mode: number;
  readonly #channels = new Map<string, Channel>();
  /** Calls for one channel are done in turn. */
  readonly #turns = new Map<string, Mutex>();
  #open = true;

  constructor(base: string, mode: number) {
    channelNames(base, 'image');
    this.base = base;
    this.#mode = mode;
  }

  async setArray(name: string, data: ArrayData, options: ArrayOptions = {}): Promise<void> {
    if (!types.isTypedArray(data)) {
      throw new BridgeError('OPTION_INVALID', 'An array for shared memory must be a typed array.');
    }
    const { shape = [data.length], dtype = dtypeOf(data), timestampMs = Date.now(), sequence } = options;
    const form = { dtype, shape: [...shape] };
    checkForm(form);
    if (byteLength(form) !== data.byteLength) {
      throw new BridgeError(
        'OPTION_INVALID',
        `An array of ${dtype} with shape [${shape.join(', ')}] has ${byteLength(form)} bytes, not ${data.byteLength}.`,
        { context: { dtype, shape, bytes: data.byteLength } },
      );
    }
    nanoseconds({ timestampMs });
    if (sequence !== undefined) checkInteger('sequence', sequence, 1, Number.MAX_SAFE_INTEGER);
    const turns = this.#turns.get(name) ?? new Mutex();
    this.#turns.set(name, turns);
    return turns.run(() => this.#channel(name, form).write(data, timestampMs, sequence));
  }

  setImage = (data: ArrayData, options?: ArrayOptions) => this.setArray('image', data, options);
  setDepth = (data: ArrayData, options?: ArrayOptions) => this.setArray('depth', data, options);
  setPointcloud = (data: ArrayData, options?: ArrayOptions) => this.setArray('pointcloud', data, options);
  setMask = (data: ArrayData, options?: ArrayOptions) => this.setArray('mask', data, options);
  check(name: string): void {
    if (this.#channels.has(name)) return;
    const names = channelNames(this.base, name);
    clearName(names.segment, layoutOf(names));
  }

  #channel(name: string, form: ArrayForm): Channel {
    if (!this.#open) throw writerClosed(this.base);
    const existing = this.#channels.get(name);
    if (existing && isDeepStrictEqual(existing.form, form)) return existing;
    existing?.close();
    this.#channels.delete(name);
    const channel = new Channel(this.base, name, form, this.#mode);
    this.#channels.set(name, channel);
    return channel;
  }

  close(): void {
    this.#open = false;
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}

/** A writer of arrays under `<base>_<channel>_shm`; nothing is made before the first array. Throws `OPTION_INVALID`. */
export function openArrayWriter(options: ArrayWriterOptions): ArrayWriter {
  return new ChannelsWriter(options.base, options.mode ?? 0o600);
}
