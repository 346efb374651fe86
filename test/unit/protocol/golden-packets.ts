/**
 * Packets of the wire, byte by byte, as the vendor's hosts and devices send them. Each line is one field: its bytes
 * and what they mean.
 */
import { Flag, Opcode } from '../../../src/protocol/constants.js';
import { encodeCaps, encodeHalfWord, encodeIoRequest } from '../../../src/protocol/index.js';
import type { PacketHeader } from '../../../src/protocol/packet.js';

export interface GoldenPacket {
  readonly name: string;
  readonly header: Omit<PacketHeader, 'length'>;
  readonly payload: Uint8Array;
  readonly bytes: Uint8Array;
}

const NONE = new Uint8Array(0);

function golden(
  name: string,
  [sequence, channel, flags, opcode]: [number, number, number, number],
  payload: Uint8Array,
  bytes: number[],
): GoldenPacket {
  return { name, header: { sequence, channel, flags, opcode }, payload, bytes: Uint8Array.from(bytes) };
}

// biome-ignore format: one field a line
export const GOLDEN_PACKETS: readonly GoldenPacket[] = [
  golden('SYNC', [0, 0, 0, Opcode.PROTO_SYNC], NONE, [
    0xaa, 0xd5, // sync word 0xD5AA, low byte first
    0x00, // sequence 0
    0x00, // channel 0, the transport
    0x00, // no flags
    0x00, // PROTO_SYNC
    0x00, 0x00, // no payload
    0xb0, 0xac, // header CRC 0xACB0
  ]),
  golden("SYNC's ACK", [0, 0, Flag.ACK, Opcode.PROTO_SYNC], NONE, [
    0xaa, 0xd5,
    0x00, // sequence 0
    0x00, // channel 0
    0x01, // ACK
    0x00, // PROTO_SYNC
    0x00, 0x00, // no payload
    0x08, 0x46, // header CRC 0x4608
  ]),
  golden('GET_CAPS', [0, 0, 0, Opcode.PROTO_GET_CAPS], NONE, [
    0xaa, 0xd5,
    0x00, // sequence 0: the first command after SYNC
    0x00, // channel 0
    0x00, // no flags
    0x01, // PROTO_GET_CAPS
    0x00, 0x00, // no payload
    0xc3, 0xdd, // header CRC 0xDDC3
  ]),
  golden(
    'SET_CAPS',
    [1, 0, 0, Opcode.PROTO_SET_CAPS],
    encodeCaps({ crc: true, sequence: true, ack: true, events: true, maxPayload: 4082 }),
    [
      0xaa, 0xd5,
      0x01, // sequence 1
      0x00, // channel 0
      0x00, // no flags
      0x02, // PROTO_SET_CAPS
      0x10, 0x00, // 16 bytes of payload
      0xc8, 0x4f, // header CRC 0x4FC8
      0x0f, 0x00, 0x00, 0x00, // CRC 1, sequence 2, ACK 4, events 8
      0xf2, 0x0f, // largest payload 4082
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // reserved
      0x8d, 0x0e, 0x85, 0x9e, // payload CRC 0x9E850E8D
    ],
  ),
  golden('CHANNEL_LIST', [2, 0, 0, Opcode.CHANNEL_LIST], NONE, [
    0xaa, 0xd5,
    0x02, // sequence 2
    0x00, // channel 0
    0x00, // no flags
    0x20, // CHANNEL_LIST
    0x00, 0x00, // no payload
    0x7b, 0x7f, // header CRC 0x7F7B
  ]),
  golden('CHANNEL_READ', [3, 5, 0, Opcode.CHANNEL_READ], encodeIoRequest(0, 1024), [
    0xaa, 0xd5,
    0x03, // sequence 3
    0x05, // channel 5
    0x00, // no flags
    0x26, // CHANNEL_READ
    0x08, 0x00, // 8 bytes of payload
    0xe0, 0x24, // header CRC 0x24E0
    0x00, 0x00, 0x00, 0x00, // offset 0
    0x00, 0x04, 0x00, 0x00, // length 1024
    0xbf, 0xbf, 0xa4, 0xb1, // payload CRC 0xB1A4BFBF
  ]),
  golden("the host's ACK of that READ's reply", [3, 5, Flag.ACK, Opcode.CHANNEL_READ], NONE, [
    0xaa, 0xd5,
    0x03, // the acknowledged packet's own number
    0x05, // its channel
    0x01, // ACK
    0x26, // its opcode
    0x00, 0x00, // never a payload: the device looks for ten bare bytes
    0x30, 0xfd, // header CRC 0xFD30
  ]),
  golden('an event without a payload (NOTIFY)', [3, 5, Flag.EVENT, Opcode.CHANNEL_EVENT], NONE, [
    0xaa, 0xd5,
    0x03, // the current number, which the event does not use up
    0x05, // channel 5
    0x20, // EVENT: bit 5
    0x29, // CHANNEL_EVENT
    0x00, 0x00, // no payload
    0xb9, 0x09, // header CRC 0x09B9
  ]),
  golden('event 0x00AA', [3, 5, Flag.EVENT, Opcode.CHANNEL_EVENT], encodeHalfWord(0x00aa), [
    0xaa, 0xd5,
    0x03, // the current number
    0x05, // channel 5
    0x20, // EVENT
    0x29, // CHANNEL_EVENT
    0x02, 0x00, // 2 bytes of payload
    0x63, 0x05, // header CRC 0x0563
    0xaa, 0x00, // event number 0x00AA
    0x1e, 0xbc, 0x03, 0x9e, // payload CRC 0x9E03BC1E
  ]),
  golden('NAK BUSY to LOCK', [4, 3, Flag.NAK, Opcode.CHANNEL_LOCK], encodeHalfWord(4), [
    0xaa, 0xd5,
    0x04, // sequence 4
    0x03, // channel 3
    0x02, // NAK
    0x22, // CHANNEL_LOCK
    0x02, 0x00, // 2 bytes of payload
    0x1e, 0xf0, // header CRC 0xF01E
    0x04, 0x00, // status BUSY
    0x1f, 0x28, 0xe2, 0x48, // payload CRC 0x48E2281F
  ]),
];
