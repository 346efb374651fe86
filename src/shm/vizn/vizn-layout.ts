/**
 * The VIZN layout: the latest frame behind a 128-byte header, published with a sequence lock. The layout is
 * VizionStreamer's, in host byte order and natural C alignment; what stands in its reserved bytes is ours.
 *
 * | offset | type | field |
 * |---|---|---|
 * | 0 | u32 | magic 0x56495A4E |
 * | 4 | u32 | width in pixels |
 * | 8 | u32 | height in pixels |
 * | 12 | u32 | format number |
 * | 16 | u32 | data_size: bytes of the frame |
 * | 20 | | padding |
 * | 24 | u64 | timestamp_ns: Unix time |
 * | 32 | u32 | frame_sequence: 0 before the first frame |
 * | 36 | u32 | write_sequence: odd while a frame is being written |
 * | 40 | char[16] | format_str, NUL-padded |
 * | 56 | | reserved: the owner record (24 bytes), u32 wake word, u32 wake kind, zeroes |
 * | 128 | | the frame |
 */
import { readSync, writeSync } from 'node:fs';
import { OWNER_SIZE } from '../memory/owner.js';
import type { SegmentLayout } from '../memory/segment-layout.js';

export const VIZN_MAGIC = 0x56495a4e;
export const VIZN_HEADER_SIZE = 128;

/** Byte offsets of the header's fields. */
export const VIZN_OFFSET = {
  magic: 0,
  width: 4,
  height: 8,
  format: 12,
  dataSize: 16,
  timestampNs: 24,
  frameSequence: 32,
  writeSequence: 36,
  formatName: 40,
  owner: 56,
  wake: 56 + OWNER_SIZE,
  wakeKind: 60 + OWNER_SIZE,
} as const;

/** The writer raises the wake word after every frame and wakes those who wait on it; 0: it does not. */
export const VIZN_WAKE_FUTEX = 1;

export const VIZN_FORMAT_NAME_SIZE = 16;
/** The bytes from here on stay zero. */
export const VIZN_RESERVED_OFFSET = VIZN_OFFSET.wakeKind + 4;

/** The frame is one whole JPEG. */
export const VIZN_FORMAT_MJPG = 'MJPG';
/**
 * Format numbers are the vendor's enumeration (VizionSDK.h: NONE 0, YUY2 1, UYVY 2, NV12 3, MJPG 4). Readers go by
 * format_str; a format that the enumeration lacks has number 0.
 */
export const VIZN_FORMAT_NUMBERS: Readonly<Record<string, number>> = { [VIZN_FORMAT_MJPG]: 4 };
/** Bytes a pixel of the formats that are no JPEG: rows from the top, pixels from the left, nothing between them. */
export const PIXEL_FORMATS = { RGB3: 3, BGR3: 3, GREY: 1, RGBA: 4 } as const;
export type PixelFormat = keyof typeof PIXEL_FORMATS;

/** The name and size that the bridge uses unless told otherwise; the size holds 1920 x 1080 pixels of 4 bytes. */
export const VIZN_DEFAULT_NAME = '/openmv_frame';
export const VIZN_DEFAULT_SIZE = 8_294_528;

/**
 * A writer that died in the middle of a frame leaves write_sequence odd, and a reader that waits for it to become
 * even would wait for ever. The segment becomes empty (no frame, no bytes) and even.
 */
function endBrokenWrite(fd: number): void {
  const word = new Uint32Array(1);
  readSync(fd, word, 0, 4, VIZN_OFFSET.writeSequence);
  const sequence = word[0]!;
  if ((sequence & 1) === 0) return;
  const set = (offset: number, value: number) => writeSync(fd, new Uint32Array([value]), 0, 4, offset);
  set(VIZN_OFFSET.frameSequence, 0);
  set(VIZN_OFFSET.dataSize, 0);
  set(VIZN_OFFSET.writeSequence, sequence + 1);
}

export const VIZN_LAYOUT: SegmentLayout = {
  magic: VIZN_MAGIC,
  headerSize: VIZN_HEADER_SIZE,
  ownerOffset: VIZN_OFFSET.owner,
  retire: endBrokenWrite,
  wakeOffset: () => VIZN_OFFSET.wake,
};

/** A VIZN header seen as words and bytes; field n of the table is word n / 4. */
export class ViznHeader {
  /** For plain access. */
  readonly words: Uint32Array;
  /** For atomic access to write_sequence. */
  readonly atomics: Int32Array;
  readonly bytes: Uint8Array;
  readonly #timestamp: BigUint64Array;

  constructor(buffer: ArrayBuffer) {
    this.words = new Uint32Array(buffer, 0, VIZN_HEADER_SIZE / 4);
    this.atomics = new Int32Array(buffer, 0, VIZN_HEADER_SIZE / 4);
    this.bytes = new Uint8Array(buffer, 0, VIZN_HEADER_SIZE);
    this.#timestamp = new BigUint64Array(buffer, VIZN_OFFSET.timestampNs, 1);
  }

  get timestampNs(): bigint {
    return this.#timestamp[0]!;
  }

  set timestampNs(value: bigint) {
    this.#timestamp[0] = value;
  }
}

/** The index of write_sequence among the header's words. */
export const WRITE_SEQUENCE_WORD = VIZN_OFFSET.writeSequence / 4;
