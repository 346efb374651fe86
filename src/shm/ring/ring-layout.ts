/**
 * The ring layout: the last frames, each in a slot of its own, for programs that must see every one. The README has
 * it to the byte. A slot's version is a sequence lock: odd while the writer fills the slot.
 */
import { BridgeError } from '../../errors.js';
import type { SegmentLayout } from '../memory/segment-layout.js';
import { formatName } from '../reader.js';

/** The bytes `OMVR` on a little-endian machine. */
export const RING_MAGIC = 0x52564d4f;
export const RING_VERSION = 1;
export const RING_HEADER_SIZE = 128;
export const RING_SLOT_HEADER_SIZE = 64;

/** Byte offsets of the header's fields. */
export const RING_OFFSET = {
  magic: 0,
  version: 4,
  slotCount: 8,
  slotStride: 12,
  slotCapacity: 16,
  indexOffset: 20,
  slotsOffset: 24,
  owner: 32,
  head: 64,
  wake: 72,
} as const;

/** Byte offsets in a slot. */
export const SLOT_OFFSET = {
  version: 0,
  size: 4,
  number: 8,
  timestampNs: 16,
  width: 24,
  height: 28,
  formatName: 32,
  sequence: 48,
  data: RING_SLOT_HEADER_SIZE,
} as const;

export const RING_FORMAT_NAME_SIZE = 16;
export const RING_DEFAULT_SLOTS = 16;
/** Room for a frame, bytes. */
export const RING_DEFAULT_SLOT_SIZE = 524_288;
export const RING_MIN_SLOTS = 4;
export const RING_MAX_SLOTS = 1_024;
const PAGE = 4_096;
const LINE = 64;

export const RING_LAYOUT: SegmentLayout = {
  magic: RING_MAGIC,
  headerSize: RING_HEADER_SIZE,
  ownerOffset: RING_OFFSET.owner,
  wakeOffset: () => RING_OFFSET.wake,
};

export interface RingGeometry {
  readonly slotCount: number;
  /** Bytes from one slot to the next; a multiple of 64. */
  readonly slotStride: number;
  /** Bytes of the largest frame. */
  readonly slotCapacity: number;
  /** Where the u32 table stands that says in which slot frame n is: at n modulo slotCount. */
  readonly indexOffset: number;
  readonly slotsOffset: number;
  /** Bytes of the segment. */
  readonly size: number;
}

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** Where everything is in a ring of `slotCount` slots for frames of up to `slotSize` bytes. Throws `OPTION_INVALID`. */
export function ringGeometry(slotCount: number, slotSize: number): RingGeometry {
  const fits = Number.isInteger(slotCount) && slotCount >= RING_MIN_SLOTS && slotCount <= RING_MAX_SLOTS;
  if (!fits || !Number.isInteger(slotSize) || slotSize < 1) {
    throw new BridgeError(
      'OPTION_INVALID',
      `A ring of ${slotCount} slots of ${slotSize} bytes is not possible: ${RING_MIN_SLOTS} to ${RING_MAX_SLOTS} ` +
        'slots with at least 1 byte.',
      { context: { slotCount, slotSize } },
    );
  }
  const slotsOffset = roundUp(RING_HEADER_SIZE + 4 * slotCount, PAGE);
  const slotStride = roundUp(RING_SLOT_HEADER_SIZE + slotSize, LINE);
  const size = slotsOffset + slotCount * slotStride;
  return {
    slotCount,
    slotStride,
    slotCapacity: slotSize,
    indexOffset: RING_HEADER_SIZE,
    slotsOffset,
    size,
  };
}

/** The geometry that a header tells, or why it cannot be. */
export function readGeometry(words: Uint32Array, size: number): RingGeometry | string {
  const at = (offset: number): number => words[offset / 4]!;
  if (at(RING_OFFSET.version) !== RING_VERSION) return `has version ${at(RING_OFFSET.version)} of the layout`;
  const told = {
    slotCount: at(RING_OFFSET.slotCount),
    slotStride: at(RING_OFFSET.slotStride),
    slotCapacity: at(RING_OFFSET.slotCapacity),
    indexOffset: at(RING_OFFSET.indexOffset),
    slotsOffset: at(RING_OFFSET.slotsOffset),
  };
  const possible =
    told.slotCount >= RING_MIN_SLOTS &&
    told.slotCount <= RING_MAX_SLOTS &&
    told.slotCapacity >= 1 &&
    told.slotStride % LINE === 0 &&
    told.slotStride >= RING_SLOT_HEADER_SIZE + told.slotCapacity &&
    told.indexOffset % 4 === 0 &&
    told.indexOffset >= RING_HEADER_SIZE &&
    told.slotsOffset % LINE === 0 &&
    told.slotsOffset >= told.indexOffset + 4 * told.slotCount &&
    told.slotsOffset + told.slotCount * told.slotStride <= size;
  return possible ? { ...told, size } : 'has a header that contradicts itself or its size';
}

/** A frame as its slot describes it. */
export interface SlotHeader {
  /** Bytes of the frame. */
  readonly size: number;
  /** The ring's own count. */
  readonly number: number;
  readonly timestampNs: bigint;
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** The producer's count. */
  readonly sequence: number;
}

/** The slots of a mapped ring, seen as words and bytes. */
export class RingSlots {
  readonly geometry: RingGeometry;
  /** The whole segment. */
  readonly words: Uint32Array;
  readonly atomics: Int32Array;
  readonly bytes: Uint8Array;
  readonly #longs: BigUint64Array;

  constructor(buffer: ArrayBuffer, geometry: RingGeometry) {
    this.geometry = geometry;
    this.words = new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
    this.atomics = new Int32Array(buffer, 0, this.words.length);
    this.bytes = new Uint8Array(buffer);
    this.#longs = new BigUint64Array(buffer, 0, Math.floor(buffer.byteLength / 8));
  }

  /** Byte offset of a slot. */
  offset(slot: number): number {
    return this.geometry.slotsOffset + slot * this.geometry.slotStride;
  }

  /** A slot's sequence lock. */
  version(slot: number): number {
    return Atomics.load(this.atomics, (this.offset(slot) + SLOT_OFFSET.version) / 4);
  }

  /** The number of the newest frame, 0 before the first. */
  get head(): number {
    return Number(Atomics.load(this.#longs, RING_OFFSET.head / 8));
  }

  set head(value: number) {
    Atomics.store(this.#longs, RING_OFFSET.head / 8, BigInt(value));
  }

  /** The wake word as it is now. */
  get wake(): number {
    return Atomics.load(this.atomics, RING_OFFSET.wake / 4);
  }

  /** What a slot's header says now; it may be torn while the writer fills the slot. */
  describe(slot: number): SlotHeader {
    const at = this.offset(slot);
    const format = at + SLOT_OFFSET.formatName;
    return {
      size: this.words[(at + SLOT_OFFSET.size) / 4]!,
      number: Number(this.#long(at + SLOT_OFFSET.number)),
      timestampNs: this.#long(at + SLOT_OFFSET.timestampNs),
      width: this.words[(at + SLOT_OFFSET.width) / 4]!,
      height: this.words[(at + SLOT_OFFSET.height) / 4]!,
      format: formatName(this.bytes.subarray(format, format + RING_FORMAT_NAME_SIZE)),
      sequence: Number(this.#long(at + SLOT_OFFSET.sequence)),
    };
  }

  #long(offset: number): bigint {
    return this.#longs[offset / 8]!;
  }

  setLong(offset: number, value: bigint): void {
    this.#longs[offset / 8] = value;
  }
}
