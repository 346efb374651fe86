import { types } from 'node:util';
import { BridgeError } from '../errors.js';
import { createSegment, type Segment } from './segment.js';
import { beginWrite, endWrite } from './seqlock.js';
import type { FrameStore } from './store.js';
import {
  VIZN_DEFAULT_NAME,
  VIZN_DEFAULT_SIZE,
  VIZN_FORMAT_MJPG,
  VIZN_FORMAT_NUMBERS,
  VIZN_HEADER_SIZE,
  VIZN_LAYOUT,
  VIZN_OFFSET,
  ViznHeader,
  WRITE_SEQUENCE_WORD,
} from './vizn-layout.js';

export interface ViznWriterOptions {
  /** Default `/openmv_frame`. */
  readonly name?: string;
  /** Bytes of the whole segment, its 128-byte header included. Default 8294528. */
  readonly size?: number;
  /** Permissions of the segment. Default 0o600: programs of the same user. */
  readonly mode?: number;
}

/** A frame for a VIZN segment, with its Unix time either in milliseconds or in nanoseconds. */
export type ViznFrame = {
  /** One whole JPEG; it is copied during the call. */
  readonly jpeg: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** From 1; kept as 32 bits, skipping 0, which means that there is no frame yet. */
  readonly sequence: number;
} & ({ readonly timestampMs: number } | { readonly timestampNs: bigint });

export interface ViznWriter extends FrameStore {
  /** Bytes of the segment. */
  readonly size: number;
  /**
   * Publishes a frame; readers see all of it or none. Throws `SHM_TOO_SMALL` when it does not fit,
   * `OPTION_INVALID` when a value is out of range, `SHM_FAILED` after `close()`; the frame before stays as it was.
   */
  write(frame: ViznFrame): void;
  /** Marks the segment closed and removes it; readers keep what they mapped. Idempotent. */
  close(): void;
}

const MAX_U32 = 0xffff_ffff;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;
const NS_PER_MS = 1_000_000;

function wrong(what: string, value: unknown): BridgeError {
  return new BridgeError(
    'OPTION_INVALID',
    `A frame for shared memory has an impossible ${what}: ${String(value)}.`,
    {
      context: { what, value: String(value) },
    },
  );
}

function checkInteger(what: string, value: number, lowest: number, highest: number): void {
  if (!Number.isInteger(value) || value < lowest || value > highest) throw wrong(what, value);
}

/** Unix time as an unsigned 64-bit count of nanoseconds. */
function nanoseconds(frame: ViznFrame): bigint {
  if ('timestampNs' in frame) {
    if (frame.timestampNs < 0n || frame.timestampNs > MAX_U64) throw wrong('timestamp', frame.timestampNs);
    return frame.timestampNs;
  }
  const { timestampMs } = frame;
  // A double holds today's milliseconds with a fraction of a quarter microsecond, but not today's nanoseconds.
  const whole = Math.floor(timestampMs);
  if (!Number.isSafeInteger(whole) || whole < 0 || whole > Number(MAX_U64) / NS_PER_MS - 1) {
    throw wrong('timestamp', timestampMs);
  }
  return BigInt(whole) * BigInt(NS_PER_MS) + BigInt(Math.round((timestampMs - whole) * NS_PER_MS));
}

function formatWords(name: string): Uint32Array {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(name, 'latin1'));
  return new Uint32Array(bytes.buffer);
}

const MJPG_WORDS = formatWords(VIZN_FORMAT_MJPG);
const MJPG_NUMBER = VIZN_FORMAT_NUMBERS[VIZN_FORMAT_MJPG] ?? 0;

class SegmentWriter implements ViznWriter {
  readonly name: string;
  readonly size: number;
  readonly #segment: Segment;
  readonly #header: ViznHeader;
  readonly #bytes: Uint8Array;
  #open = true;

  constructor(segment: Segment) {
    this.name = segment.name;
    this.size = segment.size;
    this.#segment = segment;
    this.#header = new ViznHeader(segment.buffer);
    this.#bytes = new Uint8Array(segment.buffer);
  }

  write(frame: ViznFrame): void {
    if (!this.#open) {
      throw new BridgeError(
        'SHM_FAILED',
        `The shared memory ${this.name} is closed: open it again to write.`,
        {
          context: { name: this.name },
        },
      );
    }
    const { jpeg, width, height, sequence } = frame;
    if (!types.isUint8Array(jpeg) || jpeg.length === 0) throw wrong('JPEG', 'no bytes');
    checkInteger('width', width, 0, MAX_U32);
    checkInteger('height', height, 0, MAX_U32);
    checkInteger('sequence', sequence, 1, Number.MAX_SAFE_INTEGER);
    const timestampNs = nanoseconds(frame);
    this.#checkFit(jpeg.length);

    const header = this.#header;
    const words = header.words;
    beginWrite(header.atomics, WRITE_SEQUENCE_WORD);
    words[VIZN_OFFSET.width / 4] = width;
    words[VIZN_OFFSET.height / 4] = height;
    words[VIZN_OFFSET.format / 4] = MJPG_NUMBER;
    words[VIZN_OFFSET.dataSize / 4] = jpeg.length;
    header.timestampNs = timestampNs;
    words[VIZN_OFFSET.frameSequence / 4] = ((sequence - 1) % MAX_U32) + 1;
    words.set(MJPG_WORDS, VIZN_OFFSET.formatName / 4);
    this.#bytes.set(jpeg, VIZN_HEADER_SIZE);
    endWrite(header.atomics, WRITE_SEQUENCE_WORD);
  }

  #checkFit(length: number): void {
    const needed = VIZN_HEADER_SIZE + length;
    if (needed <= this.size) return;
    throw new BridgeError(
      'SHM_TOO_SMALL',
      `A frame of ${length} bytes needs a segment of ${needed} bytes, and ${this.name} has ${this.size}. ` +
        `Make it larger (--shm-size ${needed} or more), or lower the picture's size or quality.`,
      { context: { name: this.name, frameBytes: length, neededSize: needed, size: this.size } },
    );
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#segment.close();
  }
}

/**
 * Creates the segment and returns its writer; a segment that a dead process left is replaced. Synchronous.
 *
 * Throws `SHM_IN_USE` (a living process, or something foreign, has the name), `SHM_FULL` (all of it is allocated at
 * once), `OPTION_INVALID`, `UNSUPPORTED` (not Linux) or `SHM_FAILED`.
 */
export function openViznWriter(options: ViznWriterOptions = {}): ViznWriter {
  const { name = VIZN_DEFAULT_NAME, size = VIZN_DEFAULT_SIZE, mode } = options;
  return new SegmentWriter(
    createSegment({ name, size, ...(mode === undefined ? {} : { mode }) }, VIZN_LAYOUT),
  );
}
