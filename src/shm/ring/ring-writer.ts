/** Writes a ring: every frame into the slot that has been unused the longest and that no reader has in hand. */
import { types } from 'node:util';
import { BridgeError } from '../../errors.js';
import { checkInteger, type FrameTime, nanoseconds, wrong } from '../frame-values.js';
import { createSegment, type Segment } from '../memory/segment.js';
import { beginWrite, endWrite, fence } from '../memory/seqlock.js';
import type { FrameStore } from '../store.js';
import { LEASE_ENTRIES, newRingId } from './lease-layout.js';
import { createLeaseTable, type LeaseTable } from './lease-table.js';
import {
  RING_DEFAULT_SLOT_SIZE,
  RING_DEFAULT_SLOTS,
  RING_FORMAT_NAME_SIZE,
  RING_LAYOUT,
  RING_OFFSET,
  RING_VERSION,
  type RingGeometry,
  RingSlots,
  ringGeometry,
  SLOT_OFFSET,
} from './ring-layout.js';

export interface RingWriterOptions {
  /** Like `/openmv_ring`; the lease table beside it is `<name>.leases`. */
  readonly name: string;
  /** How many frames it keeps: 4 to 1024. Default 16. */
  readonly slots?: number;
  /** Bytes of the largest frame. Default 524288. */
  readonly slotSize?: number;
  /** Permissions of the segment and of the table. Default 0o600. Readers that may not write to the table take no leases. */
  readonly mode?: number;
}

/** A frame for a ring. */
export type RingInput = {
  /** Copied during the call. */
  readonly width: number;
  readonly height: number;
  /** The producer's own count, kept as it is; the ring counts frames from 1 by itself. */
  readonly sequence: number;
} & FrameTime &
  ({ readonly jpeg: Uint8Array } | { readonly data: Uint8Array; readonly format: string });

export interface RingWriter extends FrameStore {
  /** Bytes of the segment. */
  readonly size: number;
  /** Frames whose slot was taken from a reader, because all but the newest were leased. */
  readonly revoked: number;
  /**
   * Publishes a frame and wakes the readers. Never waits for them. Throws `SHM_TOO_SMALL` when it does not fit a slot,
   * `OPTION_INVALID` when a value is out of range, `SHM_FAILED` after `close()`.
   */
  write(frame: RingInput): void;
}

const MAX_U32 = 0xffff_ffff;
const CLEAR_DEAD_MS = 50;

class SegmentRingWriter implements RingWriter {
  readonly name: string;
  readonly size: number;
  revoked = 0;
  readonly #segment: Segment;
  readonly #leases: LeaseTable;
  readonly #slots: RingSlots;
  /** Slots by the age of their frames, the oldest first. */
  readonly #byAge: number[];
  #number = 0;
  #cleared = 0;
  #open = true;

  constructor(segment: Segment, leases: LeaseTable, geometry: RingGeometry) {
    this.name = segment.name;
    this.size = segment.size;
    this.#segment = segment;
    this.#leases = leases;
    this.#slots = new RingSlots(segment.buffer, geometry);
    this.#byAge = Array.from({ length: geometry.slotCount }, (_, slot) => slot);
  }

  write(frame: RingInput): void {
    if (!this.#open) {
      throw new BridgeError('SHM_FAILED', `The ring ${this.name} is closed: open it again to write.`, {
        context: { name: this.name },
      });
    }
    const data = 'jpeg' in frame ? frame.jpeg : frame.data;
    const format = 'jpeg' in frame ? 'MJPG' : frame.format;
    if (!types.isUint8Array(data) || data.length === 0) throw wrong('content', 'no bytes');
    if (Buffer.byteLength(format, 'latin1') >= RING_FORMAT_NAME_SIZE) throw wrong('format', format);
    checkInteger('width', frame.width, 0, MAX_U32);
    checkInteger('height', frame.height, 0, MAX_U32);
    checkInteger('sequence', frame.sequence, 0, Number.MAX_SAFE_INTEGER);
    const timestampNs = nanoseconds(frame);
    this.#checkFit(data.length);

    const slots = this.#slots;
    const { words, atomics } = slots;
    const slot = this.#claim();
    const at = slots.offset(slot);
    const number = this.#number + 1;
    words[(at + SLOT_OFFSET.size) / 4] = data.length;
    slots.setLong(at + SLOT_OFFSET.number, BigInt(number));
    slots.setLong(at + SLOT_OFFSET.timestampNs, timestampNs);
    words[(at + SLOT_OFFSET.width) / 4] = frame.width;
    words[(at + SLOT_OFFSET.height) / 4] = frame.height;
    slots.setLong(at + SLOT_OFFSET.sequence, BigInt(frame.sequence));
    slots.bytes.fill(0, at + SLOT_OFFSET.formatName, at + SLOT_OFFSET.formatName + RING_FORMAT_NAME_SIZE);
    for (let i = 0; i < format.length; i++)
      slots.bytes[at + SLOT_OFFSET.formatName + i] = format.charCodeAt(i);
    slots.bytes.set(data, at + SLOT_OFFSET.data);
    endWrite(atomics, (at + SLOT_OFFSET.version) / 4);
    const { indexOffset, slotCount } = slots.geometry;
    Atomics.store(atomics, indexOffset / 4 + (number % slotCount), slot);
    slots.head = number;
    this.#number = number;
    this.#byAge.push(slot);
    this.#segment.wake();
  }

  /** Takes a slot out of `#byAge`, with its version odd. */
  #claim(): number {
    const order = this.#byAge;
    // The newest frame is what a reader that has just been woken looks at.
    for (let index = 0; index < order.length - 1; index++) {
      const slot = order[index]!;
      if (this.#leases.holds(slot)) {
        this.#clearDead();
        if (this.#leases.holds(slot)) continue;
      }
      if (this.#take(slot)) {
        order.splice(index, 1);
        return slot;
      }
    }
    // Readers that hold everything lose the oldest: the writer waits for nobody.
    const slot = order.shift()!;
    this.#revoke(slot);
    this.revoked++;
    return slot;
  }

  /**
   * Marks a slot as being written, then looks for leases once more: a reader leases first and looks at the mark
   * then, so of the two at least one sees the other.
   */
  #take(slot: number): boolean {
    const { atomics } = this.#slots;
    const index = (this.#slots.offset(slot) + SLOT_OFFSET.version) / 4;
    const before = Atomics.load(atomics, index);
    beginWrite(atomics, index);
    if (!this.#leases.holds(slot)) return true;
    Atomics.store(atomics, index, before);
    fence();
    return false;
  }

  /** Marks a leased slot as being written. The next odd number but one: the next is only a look at the leases. */
  #revoke(slot: number): void {
    const { atomics } = this.#slots;
    const index = (this.#slots.offset(slot) + SLOT_OFFSET.version) / 4;
    Atomics.store(atomics, index, Atomics.load(atomics, index) + 3);
    fence();
  }

  #clearDead(): void {
    const now = performance.now();
    if (now - this.#cleared < CLEAR_DEAD_MS) return;
    this.#cleared = now;
    this.#leases.clearDead();
  }

  #checkFit(length: number): void {
    const { slotCapacity } = this.#slots.geometry;
    if (length <= slotCapacity) return;
    throw new BridgeError(
      'SHM_TOO_SMALL',
      `A frame of ${length} bytes does not fit a slot of the ring ${this.name}, which holds ${slotCapacity}. ` +
        `Make the slots larger (--ring-slot-size ${length} or more), or lower the picture's size or quality.`,
      { context: { name: this.name, frameBytes: length, slotSize: slotCapacity } },
    );
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#segment.close();
    this.#leases.close();
  }
}

/**
 * Creates a ring and its lease table and returns the writer; what a dead process left under the names is replaced.
 * Synchronous. Throws `SHM_IN_USE`, `SHM_FULL`, `OPTION_INVALID`, `UNSUPPORTED` or `SHM_FAILED`.
 */
export function openRingWriter(options: RingWriterOptions): RingWriter {
  const { name, slots = RING_DEFAULT_SLOTS, slotSize = RING_DEFAULT_SLOT_SIZE, mode } = options;
  const geometry = ringGeometry(slots, slotSize);
  const ringId = newRingId();
  const initialise = (buffer: ArrayBuffer): void => {
    const words = new Uint32Array(buffer);
    words[RING_OFFSET.version / 4] = RING_VERSION;
    words[RING_OFFSET.slotCount / 4] = geometry.slotCount;
    words[RING_OFFSET.slotStride / 4] = geometry.slotStride;
    words[RING_OFFSET.slotCapacity / 4] = geometry.slotCapacity;
    words[RING_OFFSET.indexOffset / 4] = geometry.indexOffset;
    words[RING_OFFSET.slotsOffset / 4] = geometry.slotsOffset;
    words[RING_OFFSET.leaseEntries / 4] = LEASE_ENTRIES;
    new BigUint64Array(buffer, RING_OFFSET.ringId, 1)[0] = ringId;
  };
  const segment = createSegment(
    { name, size: geometry.size, initialise, ...(mode === undefined ? {} : { mode }) },
    RING_LAYOUT,
  );
  try {
    return new SegmentRingWriter(segment, createLeaseTable(segment.name, ringId, mode), geometry);
  } catch (error) {
    segment.close();
    throw error;
  }
}
