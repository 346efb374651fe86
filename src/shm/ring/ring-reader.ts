/** Reads a ring: every frame in order, copied or in place under a lease, at this reader's own pace. */

import { closed, invalid, type SegmentView, viewSegment } from '../memory/segment-view.js';
import { ageMs, isGone, segmentState } from '../reader-state.js';
import { type LeaseHolder, openLeaseHolder } from './lease-holder.js';
import {
  RING_HEADER_SIZE,
  RING_MAGIC,
  RING_OFFSET,
  type RingGeometry,
  RingSlots,
  readGeometry,
} from './ring-layout.js';
import { type Look, RingLooks } from './ring-looks.js';
import type { RingFrame, RingLease, RingReader, RingState } from './ring-types.js';

/** A ring reader that the waiting side of the library drives. */
export class SegmentRingReader implements RingReader {
  readonly name: string;
  readonly size: number;
  cursor: number;
  missed = 0;
  readonly view: SegmentView;
  readonly #slots: RingSlots;
  readonly #looks: RingLooks;
  readonly #ringId: bigint;
  /** Newest of the frames that were there before this reader; 0 once it has taken one. */
  #backlog: number;
  #holder: LeaseHolder | undefined;
  #leases = 0;
  #open = true;

  constructor(view: SegmentView, geometry: RingGeometry) {
    this.name = view.name;
    this.size = view.size;
    this.view = view;
    this.#slots = new RingSlots(view.buffer, geometry);
    this.#looks = new RingLooks(this.name, this.#slots);
    this.#ringId = this.#slots.long(RING_OFFSET.ringId);
    this.#backlog = this.#slots.head;
    this.cursor = Math.max(0, this.#backlog - geometry.slotCount);
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
    this.#backlog = 0;
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
      this.#pass(number - 1);
      const taken = this.#looks.attempt(number, (look) => take(look, this.#lost));
      if (taken !== undefined) {
        this.cursor = number;
        this.#lost = 0;
        this.#backlog = 0;
        this.#holder?.tell(this.cursor, this.missed);
        return taken;
      }
      this.#pass(number);
    }
    return undefined;
  }
  /** Missed since the last frame that was taken. */
  #lost = 0;

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

  #copy(look: Look, missed: number): RingFrame | undefined {
    const data = this.#slots.bytes.slice(look.start, look.start + look.size);
    return this.#looks.unchanged(look) ? this.#frame(look, data, missed) : undefined;
  }

  #hold(look: Look, missed: number): RingLease | undefined {
    const free = this.#holder?.hold(look.slot);
    // Whoever leases first and then finds the slot at rest is seen by the writer before it takes the slot.
    if (!this.#looks.unchanged(look)) {
      free?.();
      return undefined;
    }
    // The writer marks a slot to look for leases of it, finds this one and lets go: only a second step takes it away.
    const whole = (): boolean => {
      const changes = this.#looks.changes(look);
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

  /** Whether there is, or will be, another segment to read. */
  get gone(): boolean {
    this.#checkUsable();
    return isGone(this.view, RING_OFFSET.owner);
  }

  state(): RingState {
    this.#checkUsable();
    const { head } = this.#slots;
    const newest = head === 0 ? undefined : this.#looks.attempt(head, (look) => look);
    return {
      ...segmentState(this.view, RING_OFFSET.owner, head === 0),
      head,
      slotCount: this.#slots.geometry.slotCount,
      frameAgeMs: newest && ageMs(newest.timestampNs),
    };
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
