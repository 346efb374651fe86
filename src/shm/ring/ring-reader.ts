/** Reads a ring: every frame in order, copied or in place, at this reader's own pace. */
import { closed, invalid, type SegmentView } from '../memory/segment-view.js';
import { fence } from '../memory/seqlock.js';
import {
  type InPlace,
  NO_ARRAY,
  openSegment,
  SegmentReader,
  type ShmFrame,
  type ShmState,
} from '../reader.js';
import { RING, RingSlots, readGeometry, type SlotHeader } from './ring-layout.js';

export interface RingFrame extends ShmFrame {
  /** The ring's own count of frames, from 1 without gaps. */
  readonly number: number;
}

export interface RingState extends ShmState {
  /** Number of the newest frame. */
  readonly head: number;
  readonly slotCount: number;
}

/** What stood in a slot at version `version`. */
interface Look extends SlotHeader {
  readonly slot: number;
  readonly version: number;
}

/** Reads a ring. Calls throw `SHM_INVALID` when the segment contradicts itself or was cut short. */
export class RingReader extends SegmentReader {
  readonly layout = 'ring';
  /** Number of the last frame taken. Where a reader starts: before the oldest frame there is. */
  cursor: number;
  /**
   * Frames that were overwritten before this reader took them; without those that were there before the reader: it
   * begins with the oldest that it can have.
   */
  missed = 0;
  readonly #slots: RingSlots;
  /** Newest of the frames that were there before this reader; 0 once it has taken one. */
  #backlog: number;
  /** Missed since the last frame that was taken. */
  #lost = 0;
  #inUse = false;
  #open = true;

  constructor(view: SegmentView) {
    super(view, RING.offset.owner);
    const geometry = readGeometry(
      new Uint32Array(view.buffer, 0, Math.min(view.size, RING.headerSize) / 4),
      view.size,
    );
    if (typeof geometry === 'string') throw invalid(view.name, `${geometry}.`);
    this.#slots = new RingSlots(view.buffer, geometry);
    this.#backlog = this.#slots.head;
    this.cursor = Math.max(0, this.#backlog - geometry.slotCount);
  }

  get wakeAddress(): number {
    return this.view.address + RING.offset.wake;
  }

  get wake(): number {
    this.#check();
    return Atomics.load(this.#slots.atomics, RING.word.wake);
  }

  /** A copy of the next frame; undefined when there is none yet. What was overwritten is skipped and counted. */
  next(): RingFrame | undefined {
    return this.#advance((look, missed) => {
      const data = this.#bytes(look).slice();
      return this.#unchanged(look) ? frameOf(look, data, missed) : undefined;
    });
  }

  /**
   * Calls `use` with the next frame in place, without a copy, and tells afterwards whether it was whole until `use`
   * returned; undefined when there is none yet. The frame's `data` is read-only memory that the writer uses again
   * whenever it comes round: writing to it, or touching it after `close()`, kills the process.
   */
  inPlace<T>(use: (frame: RingFrame) => T): InPlace<T> | undefined {
    const taken = this.#advance((look, missed) => ({ look, missed }));
    if (taken === undefined) return undefined;
    const { look, missed } = taken;
    this.#inUse = true;
    try {
      const value = use(frameOf(look, this.#bytes(look), missed));
      return { value, whole: this.#unchanged(look) };
    } finally {
      this.#inUse = false;
      if (!this.#open) super.close();
    }
  }

  /** A copy of the newest frame; the cursor moves to it, and what is in between is not counted as missed. */
  latest(): RingFrame | undefined {
    this.#check();
    const { head } = this.#slots;
    if (head === 0) return undefined;
    const { cursor, missed } = this;
    this.cursor = head - 1;
    const frame = this.next();
    this.missed = missed;
    if (frame === undefined) this.cursor = cursor;
    return frame;
  }

  /** Moves the cursor to the newest frame: `next()` gives the one after it. */
  skip(): void {
    this.#check();
    this.cursor = this.#slots.head;
    this.#backlog = 0;
  }

  /** Takes the first frame after the cursor that can still be had. */
  #advance<T>(take: (look: Look, missed: number) => T | undefined): T | undefined {
    this.#check();
    const { slotCount } = this.#slots.geometry;
    // A writer that is always faster gets away, but not with this thread.
    for (let attempt = 0; attempt < 2 * slotCount; attempt++) {
      const { head } = this.#slots;
      // A count that went back is no ring's.
      if (head <= this.cursor) return undefined;
      const number = Math.max(this.cursor + 1, head - slotCount + 1);
      this.#pass(number - 1);
      const look = this.#look(number);
      const taken = look && take(look, this.#lost);
      if (taken !== undefined) {
        this.cursor = number;
        this.#lost = 0;
        this.#backlog = 0;
        return taken;
      }
      this.#pass(number);
    }
    return undefined;
  }

  /**
   * Moves the cursor past frames that are gone. Those that were there before the reader, and went before it took its
   * first, it has not missed: it begins with the oldest that it can have.
   */
  #pass(last: number): void {
    const missed = Math.max(0, last - Math.max(this.cursor, this.#backlog));
    this.missed += missed;
    this.#lost += missed;
    this.cursor = last;
  }

  /** Where frame `number` is and what its header says; undefined: it is gone, or goes at this moment. */
  #look(number: number): Look | undefined {
    const { atomics, geometry } = this.#slots;
    const slot = Atomics.load(atomics, geometry.indexOffset / 4 + (number % geometry.slotCount));
    if (slot < 0 || slot >= geometry.slotCount) throw this.#damaged(`frame ${number} in slot ${slot}`);
    const version = this.#slots.version(slot);
    const look = { slot, version, ...this.#slots.describe(slot) };
    if ((version & 1) === 1 || !this.#unchanged(look) || look.number !== number) return undefined;
    if (look.size > geometry.slotCapacity) throw this.#damaged(`a frame of ${look.size} bytes`);
    return look;
  }

  #unchanged({ slot, version }: Look): boolean {
    fence();
    return this.#slots.version(slot) === version;
  }

  #bytes({ slot, size }: Look): Uint8Array {
    const start = this.#slots.offset(slot) + RING.slot.data;
    return this.#slots.bytes.subarray(start, start + size);
  }

  #damaged(what: string) {
    return invalid(
      this.name,
      `is damaged: it has ${what}, which cannot be. Restart the program that writes it.`,
    );
  }

  state(): RingState {
    this.#check();
    const { head, geometry } = this.#slots;
    const newest = head === 0 ? undefined : this.#look(head);
    return { ...this.describe(head === 0, newest?.timestampNs), head, slotCount: geometry.slotCount };
  }

  #check(): void {
    // The view stays open as long as a frame is used in place.
    if (!this.#open) throw closed(this.name);
    this.view.check();
  }

  override close(): void {
    this.#open = false;
    if (!this.#inUse) super.close();
  }
}

function frameOf(look: Look, data: Uint8Array, missed: number): RingFrame {
  const { width, height, format, timestampNs, number, sequence } = look;
  const jpeg = format === 'MJPG' ? data : undefined;
  return { data, jpeg, width, height, format, timestampNs, number, sequence, missed, ...NO_ARRAY };
}

/**
 * Opens a ring for reading, at its oldest frame. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none),
 * `SHM_INVALID`, `OPTION_INVALID` or `UNSUPPORTED`.
 */
export function openRingReader(name: string): RingReader {
  return openSegment(name, RING.headerSize, (view) => new RingReader(view));
}
