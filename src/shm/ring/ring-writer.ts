/** Writes a ring: every frame into the slot of the oldest one. */
import { BridgeError } from '../../errors.js';
import { checkBytes, checkFrame, type FrameTime, writerClosed, wrong } from '../frame-values.js';
import { createSegment, type Segment } from '../memory/segment.js';
import { beginWrite, endWrite } from '../memory/seqlock.js';
import type { FrameStore } from '../store.js';
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
  /** Like `/openmv_ring`. */
  readonly name: string;
  /** How many frames it keeps: 4 to 1024. Default 16. */
  readonly slots?: number;
  /** Bytes of the largest frame. Default 524288. */
  readonly slotSize?: number;
  /** Permissions of the segment. Default 0o600. */
  readonly mode?: number;
}

/** A frame for a ring; its bytes are copied during the call. */
export type RingInput = {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** The producer's own count, kept as it is; the ring counts frames from 1 by itself. */
  readonly sequence: number;
} & FrameTime &
  ({ readonly jpeg: Uint8Array } | { readonly data: Uint8Array; readonly format: string });

export interface RingWriter extends FrameStore {
  /** Bytes of the segment. */
  readonly size: number;
  /**
   * Publishes a frame and wakes the readers. Never waits for them. Throws `SHM_TOO_SMALL` when it does not fit a slot,
   * `OPTION_INVALID` when a value is out of range, `SHM_FAILED` after `close()`.
   */
  write(frame: RingInput): void;
}

class SegmentRingWriter implements RingWriter {
  readonly name: string;
  readonly size: number;
  readonly #segment: Segment;
  readonly #slots: RingSlots;
  #number = 0;
  #open = true;

  constructor(segment: Segment, geometry: RingGeometry) {
    this.name = segment.name;
    this.size = segment.size;
    this.#segment = segment;
    this.#slots = new RingSlots(segment.buffer, geometry);
  }

  write(frame: RingInput): void {
    if (!this.#open) throw writerClosed(this.name);
    const data = 'jpeg' in frame ? frame.jpeg : frame.data;
    const format = 'jpeg' in frame ? 'MJPG' : frame.format;
    checkBytes(data);
    if (Buffer.byteLength(format, 'latin1') >= RING_FORMAT_NAME_SIZE) throw wrong('format', format);
    const timestampNs = checkFrame(frame, 0);
    this.#checkFit(data.length);

    const slots = this.#slots;
    const { words, atomics } = slots;
    const number = this.#number + 1;
    const at = slots.offset(number % slots.geometry.slotCount);
    const version = (at + SLOT_OFFSET.version) / 4;
    beginWrite(atomics, version);
    words[(at + SLOT_OFFSET.size) / 4] = data.length;
    slots.setLong(at + SLOT_OFFSET.number, BigInt(number));
    slots.setLong(at + SLOT_OFFSET.timestampNs, timestampNs);
    words[(at + SLOT_OFFSET.width) / 4] = frame.width;
    words[(at + SLOT_OFFSET.height) / 4] = frame.height;
    slots.setLong(at + SLOT_OFFSET.sequence, BigInt(frame.sequence));
    const name = at + SLOT_OFFSET.formatName;
    slots.bytes.fill(0, name, name + RING_FORMAT_NAME_SIZE);
    for (let i = 0; i < format.length; i++) slots.bytes[name + i] = format.charCodeAt(i);
    slots.bytes.set(data, at + SLOT_OFFSET.data);
    endWrite(atomics, version);
    slots.head = number;
    this.#number = number;
    this.#segment.wake();
  }

  #checkFit(length: number): void {
    const { slotCapacity } = this.#slots.geometry;
    if (length <= slotCapacity) return;
    throw new BridgeError(
      'SHM_TOO_SMALL',
      `A frame of ${length} bytes does not fit a slot of the ring ${this.name}, which holds ${slotCapacity}. ` +
        `Give the ring slots of ${length} bytes or more, or lower the picture's size or quality.`,
      { context: { name: this.name, frameBytes: length, slotSize: slotCapacity } },
    );
  }

  close(): void {
    this.#open = false;
    this.#segment.close();
  }
}

/**
 * Creates a ring and returns its writer; what a dead process left under the name is replaced. Synchronous. Throws
 * `SHM_IN_USE`, `SHM_FULL`, `OPTION_INVALID`, `UNSUPPORTED` or `SHM_FAILED`.
 */
export function openRingWriter(options: RingWriterOptions): RingWriter {
  const { name, slots = RING_DEFAULT_SLOTS, slotSize = RING_DEFAULT_SLOT_SIZE, mode } = options;
  const geometry = ringGeometry(slots, slotSize);
  const initialise = (buffer: ArrayBuffer): void => {
    const words = new Uint32Array(buffer);
    words[RING_OFFSET.version / 4] = RING_VERSION;
    words[RING_OFFSET.slotCount / 4] = geometry.slotCount;
    words[RING_OFFSET.slotStride / 4] = geometry.slotStride;
    words[RING_OFFSET.slotCapacity / 4] = geometry.slotCapacity;
    words[RING_OFFSET.indexOffset / 4] = geometry.indexOffset;
    words[RING_OFFSET.slotsOffset / 4] = geometry.slotsOffset;
    // Frame n is in slot n modulo the number of slots.
    for (let slot = 0; slot < slots; slot++) words[geometry.indexOffset / 4 + slot] = slot;
  };
  return new SegmentRingWriter(
    createSegment({ name, size: geometry.size, mode, initialise }, RING_LAYOUT),
    geometry,
  );
}
