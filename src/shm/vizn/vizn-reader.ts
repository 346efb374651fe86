import { formatName, type SharedFrame } from '../frame.js';
import { invalid, type SegmentView, viewSegment } from '../memory/segment-view.js';
import { isWriting, readStable } from '../memory/seqlock.js';
import { ageMs, isGone, type ShmState, segmentState } from '../reader-state.js';
import {
  VIZN_FORMAT_MJPG,
  VIZN_FORMAT_NAME_SIZE,
  VIZN_HEADER_SIZE,
  VIZN_MAGIC,
  VIZN_OFFSET,
  VIZN_WAKE_FUTEX,
  ViznHeader,
  WRITE_SEQUENCE_WORD,
} from './vizn-layout.js';

/** The latest frame, copied. */
export type ViznSnapshot = SharedFrame;

export interface ViznState extends ShmState {
  /** A frame is being written, or was when the writer died. */
  readonly writing: boolean;
  /** Sequence of the last frame, 0 before the first; undefined while it is being written. */
  readonly sequence: number | undefined;
}

export interface ViznReader {
  readonly name: string;
  /** Bytes of the segment. */
  readonly size: number;
  /**
   * A copy of the latest frame. Undefined when there is none, when it is number `after`, and when no moment without a
   * write under way was found in a bounded number of tries (`state()` tells a busy writer from a dead one).
   * Throws `SHM_INVALID` when the segment contradicts itself or was cut short, `SHM_FAILED` after `close()`.
   */
  latest(after?: number): ViznSnapshot | undefined;
  state(): ViznState;
  /** Unmaps the segment. Idempotent. */
  close(): void;
}

/** A VIZN reader that the waiting side of the library drives. */
export class SegmentReader implements ViznReader {
  readonly name: string;
  readonly size: number;
  readonly #view: SegmentView;
  readonly #header: ViznHeader;
  readonly #bytes: Uint8Array;

  constructor(view: SegmentView) {
    this.name = view.name;
    this.size = view.size;
    this.#view = view;
    this.#header = new ViznHeader(view.buffer);
    this.#bytes = new Uint8Array(view.buffer);
  }

  /** Address of the wake word; undefined when the writer has none. */
  get wakeAddress(): number | undefined {
    const kind = this.#header.words[VIZN_OFFSET.wakeKind / 4];
    return kind === VIZN_WAKE_FUTEX ? this.#view.address + VIZN_OFFSET.wake : undefined;
  }

  /** Changes with every frame: take it before looking for one, and wait for it to differ. */
  get wake(): number {
    this.#view.check();
    const word = this.wakeAddress === undefined ? WRITE_SEQUENCE_WORD : VIZN_OFFSET.wake / 4;
    return Atomics.load(this.#header.atomics, word);
  }

  latest(after?: number): ViznSnapshot | undefined {
    this.#view.check();
    const found = readStable(this.#header.atomics, WRITE_SEQUENCE_WORD, () => this.#read(after));
    if (found?.value === undefined) return undefined;
    const { dataSize, data, ...fields } = found.value;
    // Said only of what was read while nothing was being written.
    this.#checkMagic();
    if (data === undefined) {
      throw invalid(
        this.name,
        `says that its frame has ${dataSize} bytes, but has room for ${this.size - VIZN_HEADER_SIZE}. ` +
          'It is damaged: restart the program that writes it.',
        { dataSize, size: this.size },
      );
    }
    return { data, jpeg: fields.format === VIZN_FORMAT_MJPG ? data : undefined, ...fields };
  }

  /** One look, possibly at a frame in the making; the caller finds out. Undefined: nothing new. */
  #read(after: number | undefined) {
    const { words, bytes, timestampNs } = this.#header;
    const sequence = words[VIZN_OFFSET.frameSequence / 4]!;
    if (sequence === 0 || sequence === after) return undefined;
    const dataSize = words[VIZN_OFFSET.dataSize / 4]!;
    const end = VIZN_HEADER_SIZE + dataSize;
    return {
      dataSize,
      data: end <= this.size ? this.#bytes.slice(VIZN_HEADER_SIZE, end) : undefined,
      width: words[VIZN_OFFSET.width / 4]!,
      height: words[VIZN_OFFSET.height / 4]!,
      format: formatName(
        bytes.subarray(VIZN_OFFSET.formatName, VIZN_OFFSET.formatName + VIZN_FORMAT_NAME_SIZE),
      ),
      timestampNs,
      sequence,
    };
  }

  /** Whether there is, or will be, another segment to read. */
  get gone(): boolean {
    return isGone(this.#view, VIZN_OFFSET.owner);
  }

  state(): ViznState {
    this.#view.check();
    const header = this.#header;
    const frame = readStable(header.atomics, WRITE_SEQUENCE_WORD, () => ({
      sequence: header.words[VIZN_OFFSET.frameSequence / 4]!,
      timestampNs: header.timestampNs,
    }))?.value;
    const empty = frame?.sequence === 0;
    return {
      ...segmentState(this.#view, VIZN_OFFSET.owner, empty),
      writing: isWriting(header.atomics, WRITE_SEQUENCE_WORD),
      sequence: frame?.sequence,
      frameAgeMs: frame === undefined || empty ? undefined : ageMs(frame.timestampNs),
    };
  }

  #checkMagic(): void {
    const magic = this.#header.words[VIZN_OFFSET.magic / 4]!;
    if (magic === VIZN_MAGIC) return;
    throw invalid(
      this.name,
      `holds no VIZN frame: it begins with 0x${magic.toString(16).padStart(8, '0')} instead of 0x56495a4e. ` +
        'Another program uses this name.',
      { magic },
    );
  }

  /** For the opener: closes itself when the segment is not VIZN. */
  validate(): this {
    try {
      this.#checkMagic();
      return this;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#view.close();
  }
}

/** A VIZN reader over a mapped segment; closes the view and throws `SHM_INVALID` when it is none. */
export function viznReader(view: SegmentView): SegmentReader {
  if (view.size >= VIZN_HEADER_SIZE) return new SegmentReader(view).validate();
  view.close();
  throw invalid(view.name, `is ${view.size} bytes long: too short for any layout.`, { size: view.size });
}

/**
 * Opens a VIZN segment for reading, whoever writes it. Read-only: it changes nothing that the writer or other readers
 * can see. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none), `SHM_INVALID`, `OPTION_INVALID` or
 * `UNSUPPORTED`.
 */
export function openViznReader(name: string): ViznReader {
  return new SegmentReader(viewSegment(name, VIZN_HEADER_SIZE)).validate();
}
