import { describe, expect, it } from 'vitest';
import { Opcode, opcodeName, PACKET_OVERHEAD, Status, statusName } from '../../../src/protocol/constants.js';
import { encodePacket, packetSize, writePacket } from '../../../src/protocol/packet.js';
import { Decoded } from './decoded.js';
import { GOLDEN_PACKETS } from './golden-packets.js';

describe.each(GOLDEN_PACKETS)('$name', ({ header, payload, bytes }) => {
  it('is encoded so', () => {
    expect(encodePacket(header, payload)).toEqual(bytes);
  });

  it('is decoded so', () => {
    const decoded = new Decoded().push(bytes);
    expect(decoded.packets).toEqual([{ header: { ...header, length: payload.length }, payload }]);
    expect(decoded.stats.discardedBytes).toBe(0);
  });

  it('is written in the middle of a buffer and touches nothing around it', () => {
    const target = new Uint8Array(bytes.length + 20).fill(0x77);
    const around = new Uint8Array(payload.length + 9);
    around.set(payload, 4);
    const size = writePacket(target, 7, { ...header, length: payload.length }, around, 4, true);
    expect(size).toBe(bytes.length);
    expect(target.subarray(7, 7 + size)).toEqual(bytes);
    expect(target.subarray(0, 7)).toEqual(new Uint8Array(7).fill(0x77));
    expect(target.subarray(7 + size)).toEqual(new Uint8Array(13).fill(0x77));
  });

  it('has zeros for CRCs when they are off', () => {
    const plain = encodePacket(header, payload, false);
    const expected = bytes.slice();
    expected.fill(0, 8, 10);
    if (payload.length > 0) expected.fill(0, bytes.length - 4);
    expect(plain).toEqual(expected);
  });
});

describe('sizes and names', () => {
  it('an empty packet has no payload CRC', () => {
    expect(packetSize(0)).toBe(10);
    expect(packetSize(1)).toBe(1 + PACKET_OVERHEAD);
    expect(packetSize(4082)).toBe(4096);
  });

  it('numbers that have a name are called by it', () => {
    expect(opcodeName(Opcode.CHANNEL_READ)).toBe('CHANNEL_READ');
    expect(opcodeName(0x7f)).toBe('0x7f');
    expect(statusName(Status.CHECKSUM)).toBe('CHECKSUM');
    expect(statusName(4711)).toBe('0x1267');
  });
});
