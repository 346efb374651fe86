import { BridgeError } from '../../errors.js';
import {
  checkBytes,
  checkFrame,
  type FrameTime,
  sequenceWord,
  writerClosed,
  wrong,
} from '../frame-values.js';
import { createSegment, type Segment } from '../memory/segment.js';
import { beginWrite, endWrite } from '../memory/seqlock.js';
import type { FrameStore } from '../store.js';
import {
  PIXEL_FORMATS,
  type PixelFormat,
  VIZN_DEFAULT_NAME,
  VIZN_DEFAULT_SIZE,
  VIZN_FORMAT_MJPG,
  VIZN_FORMAT_NAME_SIZE,
  VIZN_FORMAT_NUMBERS,
  VIZN_HEADER_SIZE,
  VIZN_LAYOUT,
  VIZN_OFFSET,
  VIZN_WAKE_FUTEX,
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

/** One whole JPEG, or the pixels of one, row by row without gaps; they are copied during the call. */
export type ViznData =
  | { readonly jpeg: Uint8Array }
  | { readonly pixels: Uint8Array; readonly format: PixelFormat };

/** A frame for a VIZN segment, with its Unix time either in milliseconds or in nanoseconds. */
export type ViznFrame = ViznData & {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** From 1; kept as 32 bits, skipping 0, which means that there is no frame yet. */
  readonly sequence: number;
} & FrameTime;

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

/** Fields of format_str. */
const FORMAT_WORDS: ReadonlyMap<string, Uint32Array> = new Map(
  [VIZN_FORMAT_MJPG, ...Object.keys(PIXEL_FORMATS)].map((name) => {
    const bytes = new Uint8Array(VIZN_FORMAT_NAME_SIZE);
    bytes.set(Buffer.from(name, 'latin1'));
    return [name, new Uint32Array(bytes.buffer)];
  }),
);

function content(frame: ViznFrame): { readonly data: Uint8Array; readonly format: string } {
  if ('jpeg' in frame) {
    checkBytes(frame.jpeg);
    return { data: frame.jpeg, format: VIZN_FORMAT_MJPG };
  }
  const { pixels, format, width, height } = frame;
  checkBytes(pixels);
  if (!Object.hasOwn(PIXEL_FORMATS, format)) throw wrong('format', format);
  const expected = width * height * PIXEL_FORMATS[format];
  if (pixels.length === expected) return { data: pixels, format };
  throw wrong(
    'number of bytes',
    `${pixels.length} for ${width} x ${height} ${format}, which has ${expected}`,
  );
}

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
    if (!this.#open) throw writerClosed(this.name);
    const { width, height, sequence } = frame;
    const timestampNs = checkFrame(frame, 1);
    const { data, format } = content(frame);
    this.#checkFit(data.length);

    const header = this.#header;
    const words = header.words;
    beginWrite(header.atomics, WRITE_SEQUENCE_WORD);
    words[VIZN_OFFSET.width / 4] = width;
    words[VIZN_OFFSET.height / 4] = height;
    words[VIZN_OFFSET.format / 4] = VIZN_FORMAT_NUMBERS[format] ?? 0;
    words[VIZN_OFFSET.dataSize / 4] = data.length;
    header.timestampNs = timestampNs;
    words[VIZN_OFFSET.frameSequence / 4] = sequenceWord(sequence);
    words.set(FORMAT_WORDS.get(format)!, VIZN_OFFSET.formatName / 4);
    this.#bytes.set(data, VIZN_HEADER_SIZE);
    endWrite(header.atomics, WRITE_SEQUENCE_WORD);
    this.#segment.wake();
  }

  #checkFit(length: number): void {
    const needed = VIZN_HEADER_SIZE + length;
    if (needed <= this.size) return;
    throw new BridgeError(
      'SHM_TOO_SMALL',
      `A frame of ${length} bytes needs a segment of ${needed} bytes, and ${this.name} has ${this.size}. ` +
        `Make it ${needed} bytes or larger, or lower the picture's size or quality.`,
      { context: { name: this.name, frameBytes: length, neededSize: needed, size: this.size } },
    );
  }

  close(): void {
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
  const initialise = (buffer: ArrayBuffer): void => {
    new ViznHeader(buffer).words[VIZN_OFFSET.wakeKind / 4] = VIZN_WAKE_FUTEX;
  };
  return new SegmentWriter(createSegment({ name, size, mode, initialise }, VIZN_LAYOUT));
}
