/** Reads a ring: every frame in order, copied or in place under a lease, at this reader's own pace. */
import type { BridgeError } from '../errors.js';
import { type LeaseHolder, openLeaseHolder } from './lease-holder.js';
import { ageMs, segmentState } from './reader-state.js';
import {
  RING_HEADER_SIZE,
  RING_MAGIC,
  RING_OFFSET,
  type RingGeometry,
  RingSlots,
  readGeometry,
  SLOT_OFFSET,
  type SlotHeader,
} from './ring-layout.js';
import type { RingFrame, RingLease, RingReader, RingState } from './ring-types.js';
import { closed, invalid, type SegmentView, viewSegment } from './segment-view.js';
import { fence } from './seqlock.js';

/** Looks at a slot that the writer has in hand before its frame is given up: it may only be looking for a free one. */
const MAX_SPINS = 1_000;
/** Looks at a frame whose slot changes under them. */
const MAX_LOOKS = 4;

interface Look extends SlotHeader {
  readonly slot: number;
  readonly version: number;
  readonly start: number;
}

/** A ring reader that the waiting side of the library drives. */
export class SegmentRingReader implements RingReader {
  readonly name: string;
  readonly size: number;
  cursor: number;
  missed = 0;
  readonly view: SegmentView;
  readonly #slots: RingSlots;
  readonly #ringId: bigint;
  #holder: LeaseHolder | undefined;
  #leases = 0;
  #open = true;

  constructor(view: SegmentView, geometry: RingGeometry) {
    this.name = view.name;
    this.size = view.size;
    this.view = view;
    this.#slots = new RingSlots(view.buffer, geometry);
    this.#ringId = this.#slots.long(RING_OFFSET.ringId);
    this.cursor = Math.max(0, this.#slots.head - geometry.slotCount);
  }

  /** The wake word now: take it before looking for a frame, and wait for it to differ. */
  get wake(): number {
    this.view.check();
    return this.#slots.wake;
  }

  next(): RingFrame | undefined {
    return this.#advance((look, missed) => this.#copy(look, missed));
  }

  lease(): RingLease | undefined {
    this.#holder ??= openLeaseHolder(this.name, this.#ringId);
    return this.#advance((look, missed) => this.#hold(look, missed));
  }

  latest(): RingFrame | undefined {
    this.#checkUsable();
    const { head } = this.#slots;
    if (head === 0) return undefined;
    const before = this.cursor;
    this.cursor = head - 1;
    const missed = this.missed;
    const frame = this.next();
    this.missed = missed;
    if (frame === undefined) this.cursor = before;
    return frame;
  }

  skip(): void {
    this.#checkUsable();
    this.cursor = this.#slots.head;
  }

  /** Takes the first frame after the cursor that can still be had. */
  #advance<T>(take: (look: Look, missed: number) => T | undefined): T | undefined {
    this.#checkUsable();
    const { slotCount } = this.#slots.geometry;
    // A writer that is always faster gets away, but not with this thread.
    for (let attempt = 0; attempt < 2 * slotCount; attempt++) {
      const { head } = this.#slots;
      // A count that went back is no ring's.
      if (head <= this.cursor) return undefined;
      const number = Math.max(this.cursor + 1, head - slotCount + 1);
      const missed = number - this.cursor - 1;
      this.cursor = number;
      this.missed += missed;
      this.#lost += missed;
      const taken = this.#attempt(number, (look) => take(look, this.#lost));
      if (taken !== undefined) {
        this.#lost = 0;
        this.#holder?.tell(this.cursor, this.missed);
        return taken;
      }
      this.missed++;
      this.#lost++;
    }
    return undefined;
  }
  /** Missed since the last frame that was taken. */
  #lost = 0;

  /**
   * What `take` makes of frame `number`; undefined: it is gone. A slot that changed on the way is looked at again: the
   * writer may only have looked for leases of it.
   */
  #attempt<T>(number: number, take: (look: Look) => T | undefined): T | undefined {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const look = this.#look(number);
      if (look === undefined) return undefined;
      if (!this.#unchanged(look)) continue;
      if (look.number !== number) return undefined;
      if (look.size > this.#slots.geometry.slotCapacity) throw this.#damaged(`a frame of ${look.size} bytes`);
      const taken = take(look);
      if (taken !== undefined) return taken;
    }
    return undefined;
  }

  /** Where frame `number` is and what its header says, perhaps torn; undefined: the writer has the slot in hand. */
  #look(number: number): Look | undefined {
    const { atomics, geometry } = this.#slots;
    const slot = Atomics.load(atomics, geometry.indexOffset / 4 + (number % geometry.slotCount));
    if (slot < 0 || slot >= geometry.slotCount) throw this.#damaged(`frame ${number} in slot ${slot}`);
    const at = this.#slots.offset(slot);
    const index = (at + SLOT_OFFSET.version) / 4;
    let version = Atomics.load(atomics, index);
    for (let spin = 0; (version & 1) === 1 && spin < MAX_SPINS; spin++)
      version = Atomics.load(atomics, index);
    if ((version & 1) === 1) return undefined;
    return { slot, version, start: at + SLOT_OFFSET.data, ...this.#slots.describe(slot) };
  }

  #unchanged(look: Look): boolean {
    return this.#changes(look) === 0;
  }

  /** How far the slot's version has moved on since the look. */
  #changes(look: Look): number {
    fence();
    const index = (this.#slots.offset(look.slot) + SLOT_OFFSET.version) / 4;
    return (Atomics.load(this.#slots.atomics, index) - look.version) | 0;
  }

  #copy(look: Look, missed: number): RingFrame | undefined {
    const data = this.#slots.bytes.slice(look.start, look.start + look.size);
    return this.#unchanged(look) ? this.#frame(look, data, missed) : undefined;
  }

  #hold(look: Look, missed: number): RingLease | undefined {
    const free = this.#holder?.hold(look.slot);
    // Whoever leases first and then finds the slot at rest is seen by the writer before it takes the slot.
    if (!this.#unchanged(look)) {
      free?.();
      return undefined;
    }
    // The writer marks a slot to look for leases of it, finds this one and lets go: only a second step takes it away.
    const whole = (): boolean => {
      const changes = this.#changes(look);
      return changes === 0 || (changes === 1 && free !== undefined);
    };
    let held = true;
    let result = true;
    this.#leases++;
    return {
      ...this.#frame(look, this.#slots.bytes.subarray(look.start, look.start + look.size), missed),
      pinned: free !== undefined,
      whole: () => (held ? whole() : result),
      release: () => {
        if (!held) return result;
        result = whole();
        held = false;
        free?.();
        this.#leases--;
        this.#unmapWhenDone();
        return result;
      },
    };
  }

  #frame(look: Look, data: Uint8Array, missed: number): RingFrame {
    const { width, height, format, timestampNs, number, sequence } = look;
    const jpeg = format === 'MJPG' ? data : undefined;
    return { data, jpeg, width, height, format, timestampNs, number, sequence, missed };
  }

  state(): RingState {
    this.#checkUsable();
    const { head } = this.#slots;
    const newest = head === 0 ? undefined : this.#attempt(head, (look) => look);
    return {
      ...segmentState(this.view, RING_OFFSET.owner, head === 0),
      head,
      slotCount: this.#slots.geometry.slotCount,
      frameAgeMs: newest && ageMs(newest.timestampNs),
    };
  }

  #damaged(what: string): BridgeError {
    return invalid(
      this.name,
      `is damaged: it has ${what}, which cannot be. Restart the program that writes it.`,
    );
  }

  #checkUsable(): void {
    // The view stays open for the leases.
    if (!this.#open) throw closed(this.name);
    this.view.check();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#unmapWhenDone();
  }

  #unmapWhenDone(): void {
    if (this.#open || this.#leases > 0) return;
    this.#holder?.close();
    this.view.close();
  }
}

/** A ring reader over a mapped segment; closes the view and throws `SHM_INVALID` when it is none. */
export function ringReader(view: SegmentView): SegmentRingReader {
  const words = new Uint32Array(view.buffer, 0, RING_HEADER_SIZE / 4);
  const geometry =
    words[0] === RING_MAGIC
      ? readGeometry(words, view.size)
      : 'holds no ring: another program uses this name';
  if (typeof geometry !== 'string') return new SegmentRingReader(view, geometry);
  view.close();
  throw invalid(view.name, `${geometry}.`);
}

/**
 * Opens a ring for reading, at its oldest frame. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none),
 * `SHM_INVALID`, `OPTION_INVALID` or `UNSUPPORTED`.
 */
export function openRingReader(name: string): RingReader {
  return ringReader(viewSegment(name, RING_HEADER_SIZE));
}
