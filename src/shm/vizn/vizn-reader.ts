import { invalid, type SegmentView } from '../memory/segment-view.js';
import { isWriting, readStable } from '../memory/seqlock.js';
import { formatName, NO_ARRAY, openSegment, SegmentReader, type ShmFrame, type ShmState } from '../reader.js';
import { JPEG_FORMAT, VIZN, ViznHeader } from './vizn-layout.js';

export interface ViznState extends ShmState {
  /** A frame is being written, or was when the writer died. */
  readonly writing: boolean;
  /** Sequence of the last frame, 0 before the first; undefined while it is being written. */
  readonly sequence: number | undefined;
}

const MAX_U32 = 0xffff_ffff;
const { word } = VIZN;

/** Reads the latest frame of a VIZN segment. Calls throw `SHM_INVALID` when it contradicts itself or was cut short. */
export class ViznReader extends SegmentReader {
  readonly layout = 'vizn';
  readonly #header: ViznHeader;
  readonly #bytes: Uint8Array;
  #last: number | undefined;

  constructor(view: SegmentView) {
    super(view, VIZN.offset.owner);
    if (view.size < VIZN.headerSize) {
      throw invalid(view.name, `is ${view.size} bytes long: too short for any layout.`, { size: view.size });
    }
    this.#header = new ViznHeader(view.buffer);
    this.#bytes = new Uint8Array(view.buffer);
    this.#checkMagic();
  }

  get wakeAddress(): number | undefined {
    const wakes = this.#header.words[word.wakeKind] === VIZN.wakeFutex;
    return wakes ? this.view.address + VIZN.offset.wake : undefined;
  }

  get wake(): number {
    this.view.check();
    const wakes = this.wakeAddress !== undefined;
    return Atomics.load(this.#header.atomics, wakes ? word.wake : word.writeSequence);
  }

  next(): ShmFrame | undefined {
    const frame = this.latest(this.#last);
    if (frame) this.#last = frame.sequence;
    return frame;
  }

  /**
   * A copy of the latest frame. Undefined when there is none, when it is number `after`, and when no moment without a
   * write under way was found in a bounded number of tries (`state()` tells a busy writer from a dead one).
   */
  latest(after?: number): ShmFrame | undefined {
    this.view.check();
    const found = readStable(this.#header.atomics, word.writeSequence, () => this.#read(after))?.value;
    if (found === undefined) return undefined;
    const { dataSize, data, ...fields } = found;
    // Said only of what was read while nothing was being written.
    this.#checkMagic();
    if (data === undefined) {
      throw invalid(
        this.name,
        `says that its frame has ${dataSize} bytes, but has room for ${this.size - VIZN.headerSize}. ` +
          'It is damaged: restart the program that writes it.',
        { dataSize, size: this.size },
      );
    }
    // The count skips 0 when it wraps.
    const ahead = after === undefined || fields.sequence <= after ? 1 : fields.sequence - after;
    const jpeg = fields.format === JPEG_FORMAT ? data : undefined;
    return { data, jpeg, ...fields, missed: (ahead - 1) % MAX_U32, ...NO_ARRAY };
  }

  /** One look, possibly at a frame in the making; the caller finds out. Undefined: nothing new. */
  #read(after: number | undefined) {
    const { words, bytes, timestampNs } = this.#header;
    const sequence = words[word.frameSequence]!;
    if (sequence === 0 || sequence === after) return undefined;
    const dataSize = words[word.dataSize]!;
    const end = VIZN.headerSize + dataSize;
    return {
      dataSize,
      data: end <= this.size ? this.#bytes.slice(VIZN.headerSize, end) : undefined,
      width: words[word.width]!,
      height: words[word.height]!,
      format: formatName(bytes, VIZN.offset.formatName),
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
    const frame = readStable(header.atomics, word.writeSequence, () => ({
      sequence: header.words[word.frameSequence]!,
      timestampNs: header.timestampNs,
    }))?.value;
    return {
      ...this.describe(frame?.sequence === 0, frame?.timestampNs),
      writing: isWriting(header.atomics, word.writeSequence),
      sequence: frame?.sequence,
    };
  }

  #checkMagic(): void {
    const magic = this.#header.words[word.magic]!;
    if (magic === VIZN.magic) return;
    throw invalid(
      this.name,
      `holds no VIZN frame: it begins with 0x${magic.toString(16).padStart(8, '0')} instead of 0x56495a4e. ` +
        'Another program uses this name.',
      { magic },
    );
  }
}

/**
 * Opens a VIZN segment for reading, whatever program writes it. Read-only: it changes nothing that the writer or other
 * readers can see. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none), `SHM_INVALID`,
 * `OPTION_INVALID` or `UNSUPPORTED`.
 */
export function openViznReader(name: string): ViznReader {
  return openSegment(name, VIZN.headerSize, (view) => new ViznReader(view));
}
