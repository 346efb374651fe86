/** Writes a ring: every frame into the slot of the oldest one. */
import { BridgeError } from '../../errors.js';
import { checkBytes, checkFrame, type FrameTime, wrong } from '../frame-values.js';
import { createSegment, type MadeSegment, SegmentWriter } from '../memory/segment.js';
import { beginWrite, endWrite } from '../memory/seqlock.js';
import type { FrameStore } from '../store.js';
import { RING, RING_LAYOUT, type RingGeometry, RingSlots, ringGeometry, ringSize } from './ring-layout.js';

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

export class RingWriter extends SegmentWriter implements FrameStore {
  readonly #slots: RingSlots;
  #number = 0;

  constructor(segment: MadeSegment, geometry: RingGeometry) {
    super(segment);
    this.#slots = new RingSlots(this.buffer, geometry);
  }

  /**
   * Publishes a frame and wakes the readers. Never waits for them. Throws `SHM_TOO_SMALL` when it does not fit a slot,
   * `OPTION_INVALID` when a value is out of range, `SHM_FAILED` after `close()`.
   */
  write(frame: RingInput): void {
    this.check();
    const data = 'jpeg' in frame ? frame.jpeg : frame.data;
    const format = 'jpeg' in frame ? 'MJPG' : frame.format;
    checkBytes(data);
    if (Buffer.byteLength(format, 'latin1') >= RING.formatNameSize) throw wrong('format', format);
    const timestampNs = checkFrame(frame, 0);
    this.#checkFit(data.length);

    const slots = this.#slots;
    const { words, atomics } = slots;
    const number = this.#number + 1;
    const at = slots.offset(number % slots.geometry.slotCount);
    // The first word of a slot is its version.
    const version = at / 4;
    beginWrite(atomics, version);
    words[(at + RING.slot.size) / 4] = data.length;
    slots.setLong(at + RING.slot.number, BigInt(number));
    slots.setLong(at + RING.slot.timestampNs, timestampNs);
    words[(at + RING.slot.width) / 4] = frame.width;
    words[(at + RING.slot.height) / 4] = frame.height;
    slots.setLong(at + RING.slot.sequence, BigInt(frame.sequence));
    const name = at + RING.slot.formatName;
    slots.bytes.fill(0, name, name + RING.formatNameSize);
    for (let i = 0; i < format.length; i++) slots.bytes[name + i] = format.charCodeAt(i);
    slots.bytes.set(data, at + RING.slot.data);
    endWrite(atomics, version);
    slots.head = number;
    this.#number = number;
    this.wake();
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
}

/**
 * Creates a ring and returns its writer; what a dead process left under the name is replaced. Synchronous. Throws
 * `SHM_IN_USE`, `SHM_FULL`, `OPTION_INVALID`, `UNSUPPORTED` or `SHM_FAILED`.
 */
export function openRingWriter(options: RingWriterOptions): RingWriter {
  const { name, slots = RING.defaultSlots, slotSize = RING.defaultSlotSize, mode } = options;
  const geometry = ringGeometry(slots, slotSize);
  const initialise = (buffer: ArrayBuffer): void => {
    const words = new Uint32Array(buffer);
    const { word } = RING;
    words[word.version] = RING.version;
    words[word.slotCount] = geometry.slotCount;
    words[word.slotStride] = geometry.slotStride;
    words[word.slotCapacity] = geometry.slotCapacity;
    words[word.indexOffset] = geometry.indexOffset;
    words[word.slotsOffset] = geometry.slotsOffset;
    // Frame n is in slot n modulo the number of slots.
    for (let slot = 0; slot < slots; slot++) words[geometry.indexOffset / 4 + slot] = slot;
  };
  return new RingWriter(
    createSegment({ name, size: ringSize(geometry), mode, initialise }, RING_LAYOUT),
    geometry,
  );
}
