/** Channels, packets and faults that the link's tests share. */

import type { LinkOutcome } from '../../../src/link/link-types.js';
import type { ByteRange } from '../../../src/link/read-reply.js';
import { ChannelFlag, Flag, HEADER_SIZE } from '../../../src/protocol/constants.js';
import { encodePacket, type PacketHeader } from '../../../src/protocol/packet.js';
import type { DeviceChannel } from '../../../src/virtual/device/device-types.js';
import { Random } from '../../fakes/random.js';
import type { Tamper, VirtualLine } from '../../fakes/virtual-line.js';

/** A channel that answers READ from a buffer, as frame channels with `readp` do. */
export function bufferChannel(bytes: Uint8Array, name = 'frame'): DeviceChannel {
  return {
    name,
    flags: ChannelFlag.READ,
    size: () => bytes.length,
    readp: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** A channel with a `read()` backend whose pieces have the sizes of `sizes`, over and over. */
export function pieceChannel(bytes: Uint8Array, sizes: readonly number[], name = 'pieces'): DeviceChannel {
  let calls = 0;
  return {
    name,
    flags: ChannelFlag.READ,
    size: () => bytes.length,
    read: (offset, length) =>
      bytes.subarray(offset, offset + Math.min(length, sizes[calls++ % sizes.length]!)),
  };
}

export const pattern = (length: number, seed = 5): Uint8Array => new Random(seed).bytes(length);

export interface SeenPacket extends PacketHeader {
  readonly payload: Uint8Array;
}

/** The header and payload of one whole packet. */
export function parse(packet: Uint8Array): SeenPacket {
  const length = packet[6]! | (packet[7]! << 8);
  return {
    sequence: packet[2]!,
    channel: packet[3]!,
    flags: packet[4]!,
    opcode: packet[5]!,
    length,
    payload: packet.subarray(HEADER_SIZE, HEADER_SIZE + length),
  };
}

/** A fault that hits the packets which `matches` picks, `times` times at most; `arrives` says what comes instead. */
export function once(
  matches: (packet: SeenPacket, direction: 'toDevice' | 'toHost') => boolean,
  arrives: (packet: Uint8Array) => Uint8Array[] = () => [],
  times = 1,
): Tamper & { hits: number } {
  const tamper = Object.assign(
    (packet: Uint8Array, direction: 'toDevice' | 'toHost'): Uint8Array[] | undefined => {
      if (tamper.hits >= times || !matches(parse(packet), direction)) return undefined;
      tamper.hits++;
      return arrives(packet);
    },
    { hits: 0 },
  );
  return tamper;
}

export const isAck = ({ flags }: SeenPacket): boolean => (flags & Flag.ACK) !== 0;

/** Copies a packet with its bit `bit` inverted. */
export function flipped(packet: Uint8Array, bit: number): Uint8Array {
  const copy = packet.slice();
  copy[bit >> 3] = copy[bit >> 3]! ^ (1 << (bit & 7));
  return copy;
}

/** Puts a packet of the device's on the line that the device machine never sent. */
export function sendToHost(
  line: VirtualLine,
  header: Omit<PacketHeader, 'length'>,
  payload: Uint8Array = new Uint8Array(0),
): void {
  line.inject('toHost', encodePacket(header, payload, line.host.caps.crc));
}

/** Bytes of `actual` that differ from `expected` outside of the ranges reported missing. */
export function wrongBytes(actual: Uint8Array, expected: Uint8Array, missing: readonly ByteRange[]): number {
  let wrong = 0;
  for (let index = 0; index < actual.length; index++) {
    if (actual[index] === expected[index]) continue;
    if (!missing.some(({ from, to }) => index >= from && index < to)) wrong++;
  }
  return wrong;
}

export const missingOf = (outcome: LinkOutcome): readonly ByteRange[] => {
  if (outcome.kind !== 'read') throw new Error(`the READ ended as ${JSON.stringify(outcome)}`);
  return outcome.missing;
};
