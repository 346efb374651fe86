/**
 * A named segment of shared memory with a recorded owner. Every layout (VIZN, arrays, rings) is written into one of
 * these: creation, allocation, ownership, takeover and removal are the same for all.
 */
import { closeSync, unlinkSync } from 'node:fs';
import { BridgeError } from '../../errors.js';
import { type Mapping, memory } from '../../libc-memory.js';
import { closeAtExit } from './cleanup.js';
import { encodeOwner, OWNER_CLOSED, OWNER_STATE_OFFSET, thisOwner } from './owner.js';
import {
  leadsTo,
  lostName,
  MAX_SEGMENT_SIZE,
  type SegmentLayout,
  SHM_DIRECTORY,
  segmentName,
  segmentPath,
} from './segment-layout.js';
import { clearName, waker } from './stale.js';
import { fullError, isFull, segmentError } from './system-errors.js';
import { sweepTempSegments, TempSegment } from './temp-segment.js';

export interface SegmentOptions {
  /** Like `/openmv_frame`. */
  readonly name: string;
  /** Bytes, the header included. */
  readonly size: number;
  /** Permissions, 0600 and up; the umask does not apply. Default 0o600. */
  readonly mode?: number | undefined;
  /** Fills in the header before any reader can see it. */
  readonly initialise?: (buffer: ArrayBuffer) => void;
}

const OWNER_READ_WRITE = 0o600;
const MAX_MODE = 0o777;
const CREATE_ATTEMPTS = 20;
const ATTEMPT_PAUSE_MS = 5;

function checkOptions(size: number, mode: number, { headerSize }: SegmentLayout): void {
  if (!Number.isInteger(size) || size <= headerSize || size > MAX_SEGMENT_SIZE) {
    throw new BridgeError(
      'OPTION_INVALID',
      `A shared memory size of ${size} bytes is out of range: more than ${headerSize} (the header) and at ` +
        `most ${MAX_SEGMENT_SIZE} are possible.`,
      { context: { size } },
    );
  }
  const possible = Number.isInteger(mode) && mode >= 0 && mode <= MAX_MODE;
  if (!possible || (mode & OWNER_READ_WRITE) !== OWNER_READ_WRITE) {
    throw new BridgeError(
      'OPTION_INVALID',
      `A shared memory mode of 0${Number(mode).toString(8)} is not possible: give octal permissions that leave the owner ` +
        'reading and writing, such as 0600, 0640 or 0644.',
      { context: { mode } },
    );
  }
}

/** What `createSegment` made. */
export interface MadeSegment {
  readonly temp: TempSegment;
  readonly name: string;
  readonly size: number;
  readonly layout: SegmentLayout;
}

/** The writing end of a segment that this process made and owns. */
export class SegmentWriter {
  /** Like `/openmv_frame`. */
  readonly name: string;
  /** Bytes, the header included. */
  readonly size: number;
  /** The mapped bytes, readable and writable; not to be touched after `close()`. */
  protected readonly buffer: ArrayBuffer;
  /** Raises the layout's wake word and wakes the readers that wait on it. */
  protected readonly wake: () => void;
  readonly #made: MadeSegment;
  readonly #forget: () => void;
  #open = true;

  constructor(made: MadeSegment) {
    this.#made = made;
    this.name = made.name;
    this.size = made.size;
    this.buffer = made.temp.mapping.buffer;
    this.wake = waker(made.temp.mapping, made.size, made.layout);
    this.#forget = closeAtExit(() => this.close());
  }

  /** Throws `SHM_FAILED` after `close()`. */
  protected check(): void {
    if (this.#open) return;
    throw new BridgeError('SHM_FAILED', `The writer of ${this.name} is closed: open it again to write.`, {
      context: { name: this.name },
    });
  }

  /** `SHM_FAILED`: another program removed its name, so that no reader finds it any more. Undefined: it is there. */
  lost(): BridgeError | undefined {
    return lostName(this.name, segmentPath(this.name), this.#made.temp.file);
  }

  /** Marks the segment closed and removes it; readers keep what they mapped, and are woken. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#forget();
    const { temp, layout } = this.#made;
    Atomics.store(new Int32Array(this.buffer, layout.ownerOffset + OWNER_STATE_OFFSET, 1), 0, OWNER_CLOSED);
    try {
      // Another program may have removed the name and made a segment of its own: that one stays.
      const path = segmentPath(this.name);
      if (leadsTo(path, temp.file)) unlinkSync(path);
    } catch {
      // It stays, marked closed: the next start takes it over.
    }
    this.wake();
    temp.mapping.unmap();
    // The lock goes with it, after the name: no process takes the segment for a leftover meanwhile.
    closeSync(temp.fd);
  }
}

/**
 * Creates a segment with zeroed bytes, its magic and its owner record in place, all of it allocated, and gives it its
 * name in one step: no reader ever sees half of one. A leftover of a dead owner under the same name is unlinked
 * first; its readers keep their mapping.
 *
 * Throws `SHM_IN_USE` (a living owner, or another program's file, has the name), `SHM_FULL`, `OPTION_INVALID`,
 * `UNSUPPORTED` or `SHM_FAILED`, and leaves nothing then.
 */
export function createSegment(options: SegmentOptions, layout: SegmentLayout): MadeSegment {
  const name = segmentName(options.name);
  const { size, mode = OWNER_READ_WRITE } = options;
  checkOptions(size, mode, layout);
  memory();
  const fill = ({ buffer }: Mapping): void => {
    new Uint32Array(buffer, 0, 1)[0] = layout.magic;
    new Uint8Array(buffer).set(encodeOwner(thisOwner()), layout.ownerOffset);
    options.initialise?.(buffer);
  };
  try {
    sweepTempSegments();
    for (let attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
      // Before allocating, so that the room of a leftover can be had again.
      if (clearName(name, layout) === 'free') {
        const temp = TempSegment.make(size, mode, fill);
        if (temp?.name(segmentPath(name), false)) return { temp, name, size, layout };
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ATTEMPT_PAUSE_MS);
    }
  } catch (error) {
    if (isFull(error)) throw fullError(`The segment ${name}`, SHM_DIRECTORY, size, error);
    throw segmentError('create', name, error);
  }
  throw new BridgeError(
    'SHM_IN_USE',
    `The shared memory ${name} is being taken over by other processes at the same time. Start one of them.`,
    { context: { name } },
  );
}
