/**
 * The ring layout: the last frames, each in a slot of its own, for programs that must see every one. The README of the
 * room has it to the byte. A slot's version is a sequence lock: odd while the writer fills the slot.
 */
import { BridgeError } from '../../errors.js';
import type { SegmentLayout } from '../memory/segment-layout.js';
import { formatName } from '../reader.js';

const [PAGE, LINE] = [4_096, 64];

export const RING = {
  /** The bytes `OMVR` on a little-endian machine. */
  magic: 0x52564d4f,
  version: 1,
  headerSize: 128,
  slotHeaderSize: 64,
  formatNameSize: 16,
  /** Places of the header's 32-bit words. */
  word: {
    version: 1,
    slotCount: 2,
    slotStride: 3,
    slotCapacity: 4,
    indexOffset: 5,
    slotsOffset: 6,
    wake: 18,
  },
  /** Byte offsets of the header's other fields. */
  offset: { owner: 32, head: 64, wake: 72 },
  /** Byte offsets in a slot. */
  slot: {
    size: 4,
    number: 8,
    timestampNs: 16,
    width: 24,
    height: 28,
    formatName: 32,
    sequence: 48,
    data: 64,
  },
  minSlots: 4,
  maxSlots: 1_024,
  defaultSlots: 16,
  /** Room for a frame, bytes. */
  defaultSlotSize: 524_288,
} as const;

export const RING_LAYOUT: SegmentLayout = {
  magic: RING.magic,
  headerSize: RING.headerSize,
  ownerOffset: RING.offset.owner,
  wakeOffset: () => RING.offset.wake,
};

export interface RingGeometry {
  readonly slotCount: number;
  /** Bytes from one slot to the next; a multiple of 64. */
  readonly slotStride: number;
  /** Bytes of the largest frame. */
  readonly slotCapacity: number;
  /** Where the u32 table is that says in which slot frame n is: at n modulo slotCount. */
  readonly indexOffset: number;
  readonly slotsOffset: number;
}

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** Bytes of the segment. */
export function ringSize({ slotsOffset, slotCount, slotStride }: RingGeometry): number {
  return slotsOffset + slotCount * slotStride;
}

/** Where everything is in a ring of `slotCount` slots for frames of up to `slotSize` bytes. Throws `OPTION_INVALID`. */
export function ringGeometry(slotCount: number, slotSize: number): RingGeometry {
  const { minSlots, maxSlots } = RING;
  const fits = Number.isInteger(slotCount) && slotCount >= minSlots && slotCount <= maxSlots;
  if (!fits || !Number.isInteger(slotSize) || slotSize < 1) {
    throw new BridgeError(
      'OPTION_INVALID',
      `A ring of ${slotCount} slots of ${slotSize} bytes is not possible: ${minSlots} to ${maxSlots} slots with at ` +
        'least 1 byte.',
      { context: { slotCount, slotSize } },
    );
  }
  return {
    slotCount,
    slotStride: roundUp(RING.slotHeaderSize + slotSize, LINE),
    slotCapacity: slotSize,
    indexOffset: RING.headerSize,
    slotsOffset: roundUp(RING.headerSize + 4 * slotCount, PAGE),
  };
}

/** The geometry that a header tells, or why it cannot be. `size` is that of the segment. */
export function readGeometry(words: Uint32Array, size: number): RingGeometry | string {
  const { word, minSlots, maxSlots, headerSize, slotHeaderSize } = RING;
  if (words[0] !== RING.magic) return 'holds no ring: another program uses this name';
  if (words[word.version] !== RING.version) return `has version ${words[word.version]} of the layout`;
  const told = {
    slotCount: words[word.slotCount]!,
    slotStride: words[word.slotStride]!,
    slotCapacity: words[word.slotCapacity]!,
    indexOffset: words[word.indexOffset]!,
    slotsOffset: words[word.slotsOffset]!,
  };
  const possible =
    told.slotCount >= minSlots &&
    told.slotCount <= maxSlots &&
    told.slotCapacity >= 1 &&
    told.slotStride % LINE === 0 &&
    told.slotStride >= slotHeaderSize + told.slotCapacity &&
    told.indexOffset % 4 === 0 &&
    told.indexOffset >= headerSize &&
    told.slotsOffset % LINE === 0 &&
    told.slotsOffset >= told.indexOffset + 4 * told.slotCount &&
    ringSize(told) <= size;
  return possible ? told : 'has a header that contradicts itself or its size';
}

/** A frame as its slot describes it. */
export type SlotHeader = ReturnType<RingSlots['describe']>;

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
    return Atomics.load(this.atomics, this.offset(slot) / 4);
  }

  /** The number of the newest frame, 0 before the first. */
  get head(): number {
    return Number(Atomics.load(this.#longs, RING.offset.head / 8));
  }

  set head(value: number) {
    Atomics.store(this.#longs, RING.offset.head / 8, BigInt(value));
  }

  /** What a slot's header says now (`size`: bytes of the frame); it may be torn while the writer fills the slot. */
  describe(slot: number) {
    const at = this.offset(slot);
    const long = (offset: number): bigint => this.#longs[(at + offset) / 8]!;
    return {
      size: this.words[(at + RING.slot.size) / 4]!,
      number: Number(long(RING.slot.number)),
      timestampNs: long(RING.slot.timestampNs),
      width: this.words[(at + RING.slot.width) / 4]!,
      height: this.words[(at + RING.slot.height) / 4]!,
      format: formatName(this.bytes, at + RING.slot.formatName),
      sequence: Number(long(RING.slot.sequence)),
    };
  }

  setLong(offset: number, value: bigint): void {
    this.#longs[offset / 8] = value;
  }
}
