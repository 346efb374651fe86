/** One packet's form: a header of ten bytes and, unless it is empty, a payload with its CRC. */
import { HEADER_SIZE, PAYLOAD_CRC_SIZE, SYNC_BYTE_0, SYNC_BYTE_1 } from './constants.js';
import { headerCrc, payloadCrc } from './crc.js';

/** The fields of a header that are not constant. */
export interface PacketHeader {
  sequence: number;
  channel: number;
  /** `Flag` bits. */
  flags: number;
  opcode: number;
  /** Payload bytes. */
  length: number;
}

/** Bytes on the wire of a packet with a payload of `length` bytes. */
export function packetSize(length: number): number {
  return HEADER_SIZE + (length > 0 ? length + PAYLOAD_CRC_SIZE : 0);
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Takes the fields of the header at `at`, whether they make sense or not. */
export function readHeader(
  bytes: Uint8Array,
  at: number,
  header: PacketHeader = { sequence: 0, channel: 0, flags: 0, opcode: 0, length: 0 },
): PacketHeader {
  header.sequence = bytes[at + 2]!;
  header.channel = bytes[at + 3]!;
  header.flags = bytes[at + 4]!;
  header.opcode = bytes[at + 5]!;
  header.length = bytes[at + 6]! | (bytes[at + 7]! << 8);
  return header;
}

/** Puts a header at `at`; its CRC field is 0 with `crc` off, as on the vendor's device. */
export function writeHeader(
  target: Uint8Array,
  at: number,
  header: Readonly<PacketHeader>,
  crc: boolean,
): void {
  target[at] = SYNC_BYTE_0;
  target[at + 1] = SYNC_BYTE_1;
  target[at + 2] = header.sequence;
  target[at + 3] = header.channel;
  target[at + 4] = header.flags;
  target[at + 5] = header.opcode;
  target[at + 6] = header.length;
  target[at + 7] = header.length >>> 8;
  const check = crc ? headerCrc.compute(target, at, at + 8) : 0;
  target[at + 8] = check;
  target[at + 9] = check >>> 8;
}

/**
 * Puts a whole packet into `target` at `at` and returns its size. `header.length` bytes are taken from
 * `payload` at `from`; the target must have room for `packetSize(header.length)`.
 */
export function writePacket(
  target: Uint8Array,
  at: number,
  header: Readonly<PacketHeader>,
  payload: Uint8Array,
  from: number,
  crc: boolean,
): number {
  writeHeader(target, at, header, crc);
  const { length } = header;
  if (length === 0) return HEADER_SIZE;
  const begin = at + HEADER_SIZE;
  target.set(
    from === 0 && payload.length === length ? payload : payload.subarray(from, from + length),
    begin,
  );
  writeUint32(target, begin + length, crc ? payloadCrc.compute(target, begin, begin + length) : 0);
  return packetSize(length);
}

const NO_PAYLOAD: Uint8Array = new Uint8Array(0);

/** A packet in an array of its own: for tests, probes and other places where speed does not matter. */
export function encodePacket(
  header: Omit<PacketHeader, 'length'>,
  payload = NO_PAYLOAD,
  crc = true,
): Uint8Array {
  const bytes = new Uint8Array(packetSize(payload.length));
  writePacket(bytes, 0, { ...header, length: payload.length }, payload, 0, crc);
  return bytes;
}
