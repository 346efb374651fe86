/**
 * The VIZN layout: the latest frame behind a 128-byte header, published with a sequence lock. The layout is
 * VizionStreamer's, in host byte order and natural C alignment; what is in its reserved bytes is ours. The README of the
 * room has it to the byte.
 */
import { readSync, writeSync } from 'node:fs';
import { OWNER_SIZE } from '../memory/owner.js';
import type { SegmentLayout } from '../memory/segment-layout.js';

/** Byte offsets of the header's fields. */
const OFFSET = { timestampNs: 24, formatName: 40, owner: 56, wake: 56 + OWNER_SIZE } as const;

export const VIZN = {
  magic: 0x56495a4e,
  headerSize: 128,
  formatNameSize: 16,
  /** The wake kind of a writer that raises the wake word after every frame and wakes those who wait on it. */
  wakeFutex: 1,
  offset: OFFSET,
  /** Places of the header's 32-bit words. */
  word: {
    magic: 0,
    width: 1,
    height: 2,
    format: 3,
    dataSize: 4,
    frameSequence: 8,
    writeSequence: 9,
    formatName: OFFSET.formatName / 4,
    wake: OFFSET.wake / 4,
    wakeKind: OFFSET.wake / 4 + 1,
  },
  /** The name and size unless told otherwise; the size holds 1920 x 1080 pixels of 4 bytes. */
  defaultName: '/openmv_frame',
  defaultSize: 8_294_528,
} as const;

/** The format of a frame that is one whole JPEG. */
export const JPEG_FORMAT = 'MJPG';
/**
 * Format numbers are the vendor's enumeration (VizionSDK.h: NONE 0, YUY2 1, UYVY 2, NV12 3, MJPG 4). Readers go by
 * format_str; a format that the enumeration lacks has number 0.
 */
export const VIZN_FORMAT_NUMBERS: Readonly<Record<string, number>> = { [JPEG_FORMAT]: 4 };
/**
 * A writer that died in the middle of a frame leaves write_sequence odd, and a reader that waits for it to become
 * even would wait for ever. The segment becomes empty (no frame, no bytes) and even.
 */
function endBrokenWrite(fd: number): void {
  const { frameSequence, dataSize, writeSequence } = VIZN.word;
  const word = new Uint32Array(1);
  readSync(fd, word, 0, 4, 4 * writeSequence);
  const sequence = word[0]!;
  if ((sequence & 1) === 0) return;
  const set = (index: number, value: number) => writeSync(fd, new Uint32Array([value]), 0, 4, 4 * index);
  set(frameSequence, 0);
  set(dataSize, 0);
  set(writeSequence, sequence + 1);
}

export const VIZN_LAYOUT: SegmentLayout = {
  magic: VIZN.magic,
  headerSize: VIZN.headerSize,
  ownerOffset: OFFSET.owner,
  retire: endBrokenWrite,
  wakeOffset: () => OFFSET.wake,
};

/** A VIZN header seen as words and bytes. */
export class ViznHeader {
  /** For plain access. */
  readonly words: Uint32Array;
  /** For atomic access to write_sequence. */
  readonly atomics: Int32Array;
  readonly bytes: Uint8Array;
  readonly #timestamp: BigUint64Array;

  constructor(buffer: ArrayBuffer) {
    this.words = new Uint32Array(buffer, 0, VIZN.headerSize / 4);
    this.atomics = new Int32Array(buffer, 0, VIZN.headerSize / 4);
    this.bytes = new Uint8Array(buffer, 0, VIZN.headerSize);
    this.#timestamp = new BigUint64Array(buffer, OFFSET.timestampNs, 1);
  }

  get timestampNs(): bigint {
    return this.#timestamp[0]!;
  }

  set timestampNs(value: bigint) {
    this.#timestamp[0] = value;
  }
}
