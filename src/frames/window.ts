/**
 * The window of the bundled script (firmware/README.md): the latched frame from one buffer, with a header in front of it,
 * and its release by number. An event that has bit 15 set announces a frame that can be read so, and its size.
 */

/** READ at this offset and above: header, JPEG, data, padding. */
export const WINDOW = 0x2000_0000;
/** READ of one byte at this offset plus a frame's number: that frame's release. Reading it again does no harm. */
const RELEASE = 0x3000_0000;
const RELEASE_NUMBERS = 0x0fff_ffff;
export const HEADER_BYTES = 32;
const MAGIC = 0x3146_4d4f;
const SIZED_EVENT = 0x8000;
const UNIT = 32;
/** Numbers and ticks are MicroPython's small integers. */
const NUMBERS = 0x3fff_ffff;
/** After so many microseconds ticks begin again. */
export const TICK_WRAP = NUMBERS + 1;
/** Bytes of JSON that a script can attach to a frame. */
export const DATA_LIMIT = 1024;
const TOO_LONG = 0xffff;

export interface WindowHeader {
  /** Bytes of the JPEG. */
  readonly size: number;
  readonly number: number;
  /** The camera's clock when the sensor had the picture, and when this header was read: microseconds, 30 bits. */
  readonly captureTick: number;
  readonly servedTick: number;
  /** Microseconds between the two; undefined: more than the camera can tell. */
  readonly age: number | undefined;
  /** Bytes of data behind the JPEG, as the script says; what is above `DATA_LIMIT` is not in `total`. */
  readonly data: number;
  /** Number of the trigger that it was captured for; 0: none. */
  readonly trigger: number;
  /** Bytes of the window: header, JPEG, data, padding. */
  readonly total: number;
}

/** Bytes of the window that an event announces; 0: it announces none. */
export function windowBytes(event: number): number {
  return event >= SIZED_EVENT && event < 0xffff ? (event - SIZED_EVENT) * UNIT : 0;
}

/** Bytes of a window with a JPEG of `size` bytes and `data` bytes behind it. */
export const windowOf = (size: number, data = 0): number => roundUp(HEADER_BYTES + size + data);

export const releaseOffset = (number: number): number => RELEASE + (number & RELEASE_NUMBERS);

/** undefined: this is no header. */
export function readHeader(bytes: Buffer): WindowHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  const size = bytes.readUInt32LE(4);
  const captureTick = bytes.readUInt32LE(16);
  const servedTick = bytes.readUInt32LE(20);
  const data = bytes.readUInt16LE(24);
  const turns = bytes.readUInt16LE(26);
  return {
    size,
    number: bytes.readUInt32LE(12),
    captureTick,
    servedTick,
    age: turns === TOO_LONG ? undefined : ticksBetween(captureTick, servedTick) + turns * TICK_WRAP,
    data,
    trigger: bytes.readUInt16LE(30),
    total: windowOf(size, data > DATA_LIMIT ? 0 : data),
  };
}

/** How far number `to` is behind number `from`; negative: before it. Numbers start again after 2 ** 30. */
export function numbersBetween(from: number, to: number): number {
  const ahead = (to - from) & NUMBERS;
  return ahead > NUMBERS >> 1 ? ahead - NUMBERS - 1 : ahead;
}

/** Microseconds from one reading of the camera's clock to a later one, modulo 2 ** 30. */
export const ticksBetween = (from: number, to: number): number => (to - from) & NUMBERS;

function roundUp(bytes: number): number {
  return Math.ceil(bytes / UNIT) * UNIT;
}
