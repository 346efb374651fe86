import { invalid, type SegmentView } from '../memory/segment-view.js';
import { isWriting, readStable } from '../memory/seqlock.js';
import { formatName, NO_ARRAY, openSegment, SegmentReader, type ShmFrame, type ShmState } from '../reader.js';
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
  latest(after?: number): ShmFrame | undefined;
  state(): ViznState;
  /** Unmaps the segment. Idempotent. */
  close(): void;
}

const MAX_U32 = 0xffff_ffff;

export class ViznSegmentReader extends SegmentReader implements ViznReader {
  readonly layout = 'vizn';
  readonly #header: ViznHeader;
  readonly #bytes: Uint8Array;
  #last: number | undefined;

  constructor(view: SegmentView) {
    super(view, VIZN_OFFSET.owner);
    if (view.size < VIZN_HEADER_SIZE) {
      throw invalid(view.name, `is ${view.size} bytes long: too short for any layout.`, { size: view.size });
    }
    this.#header = new ViznHeader(view.buffer);
    this.#bytes = new Uint8Array(view.buffer);
    this.#checkMagic();
  }

  get wakeAddress(): number | undefined {
    const kind = this.#header.words[VIZN_OFFSET.wakeKind / 4];
    return kind === VIZN_WAKE_FUTEX ? this.view.address + VIZN_OFFSET.wake : undefined;
  }

  get wake(): number {
    this.view.check();
    const word = this.wakeAddress === undefined ? WRITE_SEQUENCE_WORD : VIZN_OFFSET.wake / 4;
    return Atomics.load(this.#header.atomics, word);
  }

  next(): ShmFrame | undefined {
    const frame = this.latest(this.#last);
    if (frame) this.#last = frame.sequence;
    return frame;
  }

  latest(after?: number): ShmFrame | undefined {
    this.view.check();
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
    // The count skips 0 when it wraps.
    const ahead = after === undefined || fields.sequence <= after ? 1 : fields.sequence - after;
    const jpeg = fields.format === VIZN_FORMAT_MJPG ? data : undefined;
    return { data, jpeg, ...fields, missed: (ahead - 1) % MAX_U32, ...NO_ARRAY };
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

  skip(): void {
    this.#last = this.state().sequence || undefined;
  }

  state(): ViznState {
    this.view.check();
    const header = this.#header;
    const frame = readStable(header.atomics, WRITE_SEQUENCE_WORD, () => ({
      sequence: header.words[VIZN_OFFSET.frameSequence / 4]!,
      timestampNs: header.timestampNs,
    }))?.value;
    return {
      ...this.describe(frame?.sequence === 0, frame?.timestampNs),
      writing: isWriting(header.atomics, WRITE_SEQUENCE_WORD),
      sequence: frame?.sequence,
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
}

/**
 * Opens a VIZN segment for reading, whoever writes it. Read-only: it changes nothing that the writer or other readers
 * can see. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none), `SHM_INVALID`, `OPTION_INVALID` or
 * `UNSUPPORTED`.
 */
export function openViznReader(name: string): ViznReader {
  return openSegment(name, VIZN_HEADER_SIZE, (view) => new ViznSegmentReader(view));
}
