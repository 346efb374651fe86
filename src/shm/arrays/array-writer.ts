/** Writes the channels of a base name. */
import { readSync } from 'node:fs';
import { isDeepStrictEqual, types } from 'node:util';
import { Mutex } from '../../async.js';
import { BridgeError } from '../../errors.js';
import { checkInteger, nanoseconds, sequenceWord } from '../frame-values.js';
import { createSegment, SegmentWriter } from '../memory/segment.js';
import { checkSemaphoreFree, Lock, unlinkSemaphore } from '../memory/semaphore.js';
import { beginWrite, endWrite } from '../memory/seqlock.js';
import { clearName } from '../memory/stale.js';
import {
  ARRAY,
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
  TRAILER,
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

export interface ArrayWriterOptions {
  readonly base: string;
  /** Permissions of segments and semaphores. Default 0o600; readers of the public package need to write as well. */
  readonly mode?: number;
  /**
   * Takes the place of the public package's arrays whatever their state. Default false: only those that are not locked
   * and have a timestamp older than a second, as a writer that was killed leaves them.
   */
  readonly takeOver?: boolean;
}

/** Which names a writer takes: free ones, those that dead writers left, or any array's of the public package. */
export type Claim = 'free' | 'left' | 'any';

const MS_PER_S = 1_000;

const IDLE_MS = 1_000;

/** Whether the public package's array in `fd` looks like that of a dead writer: not locked, and old. */
function isAbandoned(fd: number, semaphore: string, claim: Claim): boolean {
  if (claim === 'free') return false;
  const header = Buffer.alloc(ARRAY.headerSize);
  if (readSync(fd, header, 0, header.length, 0) < header.length) return false;
  if (new Uint32Array(header.buffer, header.byteOffset, 1)[0] !== ARRAY.magic) return false;
  if (claim === 'any') return true;
  const [seconds] = new Float64Array(header.buffer, header.byteOffset + ARRAY.offset.timestamp, 1);
  // What tells no time may have been written just now.
  const idle = seconds! > 0 && Date.now() - seconds! * MS_PER_S > IDLE_MS;
  return idle && !Lock.isHeld(semaphore);
}

function layoutOf(semaphore: string, claim: Claim) {
  return arrayLayout({
    // A program that finds the old semaphore beside the new segment would lock something else than we do.
    retire: () => unlinkSemaphore(semaphore),
    abandoned: (fd) => isAbandoned(fd, semaphore, claim),
  });
}

/** One segment and its semaphore. */
class Channel extends SegmentWriter {
  readonly form: ArrayForm;
  readonly #lock: Lock;
  readonly #trailer: Int32Array;
  #closed = false;

  constructor(form: ArrayForm, { segment, semaphore }: ChannelNames, mode: number, claim: Claim) {
    const trailer = trailerOffset(byteLength(form));
    const initialise = (buffer: ArrayBuffer): void => {
      const words = new Uint32Array(buffer);
      words[ARRAY.word.dtype] = dtypeNumber(form.dtype);
      words[ARRAY.word.ndim] = form.shape.length;
      words.set(form.shape, ARRAY.word.dims);
      words[trailer / 4 + TRAILER.word.magic] = TRAILER.magic;
    };
    super(
      createSegment(
        { name: segment, size: arraySegmentSize(form), mode, initialise },
        layoutOf(semaphore, claim),
      ),
    );
    this.form = form;
    this.#trailer = new Int32Array(this.buffer, trailer, TRAILER.size / 4);
    try {
      this.#lock = Lock.create(semaphore, mode, claim !== 'free');
    } catch (error) {
      super.close();
      throw error;
    }
  }

  async write(data: ArrayData, timestampMs: number, sequence: number | undefined): Promise<void> {
    const grip = await this.#lock.acquire();
    if (grip === 'shared') await this.#lock.settle();
    // Closed while it waited.
    if (this.#closed) return;
    const trailer = this.#trailer;
    const { word } = TRAILER;
    beginWrite(trailer, word.writeSequence);
    new Float64Array(this.buffer, ARRAY.offset.timestamp, 1)[0] = timestampMs / MS_PER_S;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    new Uint8Array(this.buffer).set(bytes, ARRAY.headerSize);
    const last = trailer[word.sequence]! >>> 0;
    trailer[word.sequence] = sequenceWord(sequence ?? last + 1);
    endWrite(trailer, word.writeSequence);
    this.#lock.release();
    this.wake();
  }

  override lost(): BridgeError | undefined {
    return super.lost() ?? this.#lock.lost();
  }

  override close(): void {
    this.#closed = true;
    this.#lock.close(true);
    super.close();
  }
}

/** Writes the channels of a base name. */
export class ArrayWriter {
  readonly base: string;
  readonly #mode: number;
  readonly #claim: Claim;
  readonly #channels = new Map<string, Channel>();
  /** Calls for one channel are done in turn. */
  readonly #turns = new Map<string, Mutex>();
  #open = true;

  constructor({ base, mode = 0o600, takeOver = false }: ArrayWriterOptions, claim?: Claim) {
    channelNames(base, 'image');
    this.base = base;
    this.#mode = mode;
    this.#claim = claim ?? (takeOver ? 'any' : 'left');
  }

  /**
   * Publishes an array in the channel `name`, which is made by the first call. Another shape or dtype makes a new
   * segment; readers keep the old one until they look again. Resolves when it is published: after a second at the
   * latest, because a reader that died while it held the lock is not waited for any longer. Calls for one channel are
   * done in turn, and `data` must not change before its call has resolved. Rejects with `OPTION_INVALID`, `SHM_IN_USE`,
   * `SHM_FULL`, `UNSUPPORTED` or `SHM_FAILED`.
   */
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

  /** The channel `image`: by convention uint8 of height x width x 3, or height x width. */
  setImage = (data: ArrayData, options?: ArrayOptions) => this.setArray('image', data, options);
  setDepth = (data: ArrayData, options?: ArrayOptions) => this.setArray('depth', data, options);
  setPointcloud = (data: ArrayData, options?: ArrayOptions) => this.setArray('pointcloud', data, options);
  setMask = (data: ArrayData, options?: ArrayOptions) => this.setArray('mask', data, options);
  /** Throws `SHM_IN_USE` when the channel's name is another program's; clears what a dead process left of it. */
  check(name: string): void {
    if (this.#channels.has(name)) return;
    const { segment, semaphore } = channelNames(this.base, name);
    clearName(segment, layoutOf(semaphore, this.#claim));
    if (this.#claim === 'free') checkSemaphoreFree(semaphore);
  }

  /** `SHM_FAILED`: another program removed a name of a channel. Undefined: they are there. */
  lost(): BridgeError | undefined {
    for (const channel of this.#channels.values()) {
      const error = channel.lost();
      if (error !== undefined) return error;
    }
    return undefined;
  }

  #channel(name: string, form: ArrayForm): Channel {
    if (!this.#open) {
      throw new BridgeError(
        'SHM_FAILED',
        `The arrays of ${this.base} are closed: open them again to write.`,
        {
          context: { base: this.base },
        },
      );
    }
    const existing = this.#channels.get(name);
    if (existing && isDeepStrictEqual(existing.form, form)) return existing;
    existing?.close();
    this.#channels.delete(name);
    const channel = new Channel(form, channelNames(this.base, name), this.#mode, this.#claim);
    this.#channels.set(name, channel);
    return channel;
  }

  /** Removes every channel. Idempotent. */
  close(): void {
    this.#open = false;
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}

/**
 * A writer of arrays under `<base>_<channel>_shm`, by options or the base name alone; nothing is made before the first
 * array. Throws `OPTION_INVALID`.
 */
export function openArrayWriter(options: string | ArrayWriterOptions): ArrayWriter {
  return new ArrayWriter(typeof options === 'string' ? { base: options } : options);
}
