import { BridgeError } from '../../errors.js';
import { PIXEL_FORMATS, type PixelFormat } from '../../pixels.js';
import { checkBytes, checkFrame, type FrameTime, sequenceWord, wrong } from '../frame-values.js';
import { createSegment, SegmentWriter } from '../memory/segment.js';
import { beginWrite, endWrite } from '../memory/seqlock.js';
import type { FrameStore } from '../store.js';
import { JPEG_FORMAT, VIZN, VIZN_FORMAT_NUMBERS, VIZN_LAYOUT, ViznHeader } from './vizn-layout.js';

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

/** Fields of format_str. */
const FORMAT_WORDS: ReadonlyMap<string, Uint32Array> = new Map(
  [JPEG_FORMAT, ...Object.keys(PIXEL_FORMATS)].map((name) => {
    const bytes = new Uint8Array(VIZN.formatNameSize);
    bytes.set(Buffer.from(name, 'latin1'));
    return [name, new Uint32Array(bytes.buffer)];
  }),
);

function content(frame: ViznFrame): { readonly data: Uint8Array; readonly format: string } {
  if ('jpeg' in frame) {
    checkBytes(frame.jpeg);
    return { data: frame.jpeg, format: JPEG_FORMAT };
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

export class ViznWriter extends SegmentWriter implements FrameStore {
  readonly #header = new ViznHeader(this.buffer);
  readonly #bytes = new Uint8Array(this.buffer);

  /**
   * Publishes a frame; readers see all of it or none. Throws `SHM_TOO_SMALL` when it does not fit,
   * `OPTION_INVALID` when a value is out of range, `SHM_FAILED` after `close()`; the frame before stays as it was.
   */
  write(frame: ViznFrame): void {
    this.check();
    const timestampNs = checkFrame(frame, 1);
    const { data, format } = content(frame);
    this.#checkFit(data.length);

    const { words, atomics } = this.#header;
    const { word } = VIZN;
    beginWrite(atomics, word.writeSequence);
    words[word.width] = frame.width;
    words[word.height] = frame.height;
    words[word.format] = VIZN_FORMAT_NUMBERS[format] ?? 0;
    words[word.dataSize] = data.length;
    this.#header.timestampNs = timestampNs;
    words[word.frameSequence] = sequenceWord(frame.sequence);
    words.set(FORMAT_WORDS.get(format)!, word.formatName);
    this.#bytes.set(data, VIZN.headerSize);
    endWrite(atomics, word.writeSequence);
    this.wake();
  }

  #checkFit(length: number): void {
    const needed = VIZN.headerSize + length;
    if (needed <= this.size) return;
    throw new BridgeError(
      'SHM_TOO_SMALL',
      `A frame of ${length} bytes needs a segment of ${needed} bytes, and ${this.name} has ${this.size}. ` +
        `Make it ${needed} bytes or larger, or lower the picture's size or quality.`,
      { context: { name: this.name, frameBytes: length, neededSize: needed, size: this.size } },
    );
  }
}

/**
 * Creates the segment and returns its writer; a segment that a dead process left is replaced. Synchronous.
 *
 * Throws `SHM_IN_USE` (a living process, or another program's file, has the name), `SHM_FULL` (all of it is allocated
 * at once), `OPTION_INVALID`, `UNSUPPORTED` (not Linux) or `SHM_FAILED`.
 */
export function openViznWriter(options: ViznWriterOptions = {}): ViznWriter {
  const { name = VIZN.defaultName, size = VIZN.defaultSize, mode } = options;
  const initialise = (buffer: ArrayBuffer): void => {
    new ViznHeader(buffer).words[VIZN.word.wakeKind] = VIZN.wakeFutex;
  };
  return new ViznWriter(createSegment({ name, size, mode, initialise }, VIZN_LAYOUT));
}
