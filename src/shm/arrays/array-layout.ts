/**
 * The array layout: one n-dimensional array behind a 64-byte header and a named semaphore, as the Python package
 * posixipc_image_transport has it. Channel `image` of base `cam` is the segment `/cam_image_shm` with the semaphore
 * `/cam_image_sem`. What is ours: the owner record in the header's unused bytes, and a trailer behind the data.
 */
import { BridgeError } from '../../errors.js';
import { MAX_SEGMENT_SIZE, type SegmentLayout, segmentName } from '../memory/segment-layout.js';

export const ARRAY = {
  magic: 0x12345678,
  headerSize: 64,
  maxDimensions: 5,
  /** Places of the header's 32-bit words. */
  word: { dtype: 1, ndim: 2, dims: 3 },
  /** Byte offsets of the header's other fields. */
  offset: { timestamp: 32, owner: 40 },
} as const;

/** What ends the segment: 32-bit words, by their place. */
export const TRAILER = {
  /** The bytes `OMVT` on a little-endian machine. */
  magic: 0x54564d4f,
  size: 16,
  word: { magic: 0, writeSequence: 1, wake: 2, sequence: 3 },
} as const;

/** By number. A bool is one byte, 0 or 1. */
const TYPES = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
  bool: Uint8Array,
} as const;
const DTYPES = Object.keys(TYPES) as DType[];

export type DType = keyof typeof TYPES;
export type ArrayData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** Shape and element type of a channel. */
export interface ArrayForm {
  readonly dtype: DType;
  /** 1 to 5 dimensions, C order. */
  readonly shape: readonly number[];
}

/** The number of a dtype; -1 for a name that is none. */
export function dtypeNumber(dtype: string): number {
  return DTYPES.indexOf(dtype as DType);
}

/** Bytes of an array. */
export function byteLength({ dtype, shape }: ArrayForm): number {
  return shape.reduce((product, size) => product * size, TYPES[dtype].BYTES_PER_ELEMENT);
}

/** The elements in `bytes`, which begin on a multiple of 8. */
export function elements(bytes: Uint8Array<ArrayBuffer>, dtype: DType): ArrayData {
  const Elements = TYPES[dtype];
  return new Elements(bytes.buffer, bytes.byteOffset, bytes.length / Elements.BYTES_PER_ELEMENT);
}

/** The dtype of a typed array; booleans have none of their own and are given as uint8. */
export function dtypeOf(data: ArrayData): DType {
  // Of a Buffer too, which is a Uint8Array.
  const name = data[Symbol.toStringTag].replace(/Array$/, '').toLowerCase();
  if (dtypeNumber(name) >= 0) return name as DType;
  throw new BridgeError('OPTION_INVALID', `A ${data[Symbol.toStringTag]} has no dtype in this layout.`);
}

/** Where the trailer of an array of that many bytes is. */
export function trailerOffset(dataBytes: number): number {
  return ARRAY.headerSize + Math.ceil(dataBytes / 8) * 8;
}

export function arraySegmentSize(form: ArrayForm): number {
  return trailerOffset(byteLength(form)) + TRAILER.size;
}

/** Throws `OPTION_INVALID` for what no channel can have. */
export function checkForm({ dtype, shape }: ArrayForm): void {
  const possible =
    dtypeNumber(dtype) >= 0 &&
    shape.length >= 1 &&
    shape.length <= ARRAY.maxDimensions &&
    shape.every((size) => Number.isInteger(size) && size >= 1) &&
    arraySegmentSize({ dtype, shape }) <= MAX_SEGMENT_SIZE;
  if (possible) return;
  throw new BridgeError(
    'OPTION_INVALID',
    `An array of ${dtype} with shape [${shape.join(', ')}] is not possible: 1 to ${ARRAY.maxDimensions} dimensions of ` +
      `at least 1, and at most ${MAX_SEGMENT_SIZE} bytes in all.`,
    { context: { dtype, shape } },
  );
}

/** What a header tells of the array, or why it cannot be. `size` is that of the segment. */
export function readForm(words: Uint32Array, size: number): ArrayForm | string {
  if (words[0] !== ARRAY.magic) return 'holds no array: another program uses this name';
  const { word, maxDimensions, headerSize } = ARRAY;
  const dtype = DTYPES[words[word.dtype]!];
  if (dtype === undefined) return `has dtype number ${words[word.dtype]}, which does not exist`;
  const ndim = words[word.ndim]!;
  if (ndim > maxDimensions) return `has ${ndim} dimensions`;
  const shape = Array.from(words.subarray(word.dims, word.dims + ndim));
  if (headerSize + byteLength({ dtype, shape }) <= size) return { dtype, shape };
  return `is too small for its shape [${shape.join(', ')}]`;
}

/** Of a channel's segment and its semaphore. */
export interface ChannelNames {
  readonly segment: string;
  readonly semaphore: string;
}

/** Names of a channel's segment and semaphore. Throws `OPTION_INVALID`. */
export function channelNames(base: string, channel: string): ChannelNames {
  const bare = `${base.replace(/^\//, '')}_${channel}`;
  return { segment: segmentName(`${bare}_shm`), semaphore: segmentName(`${bare}_sem`) };
}

/** The semaphore's name, from the segment's. */
export function semaphoreOf(segment: string): string {
  return segment.replace(/_shm$/, '_sem');
}

/** The layout of a channel: what belongs to it beside its segment is `rest`'s to judge and to take away. */
export function arrayLayout(rest: Required<Pick<SegmentLayout, 'retire' | 'abandoned'>>): SegmentLayout {
  return {
    ...rest,
    magic: ARRAY.magic,
    headerSize: ARRAY.headerSize,
    ownerOffset: ARRAY.offset.owner,
    wakeOffset: (size) => size - TRAILER.size + 4 * TRAILER.word.wake,
  };
}
