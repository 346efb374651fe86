import { describe, expect, it } from 'vitest';
import { type PayloadSlot, StreamDecoder } from '../../../src/protocol/index.js';
import { encodePacket, type PacketHeader } from '../../../src/protocol/packet.js';
import { Decoded, dataPacket, join } from './decoded.js';

const LENGTH = 100;
const PAYLOAD = dataPacket(1, LENGTH).slice(10, 10 + LENGTH);

/** A decoder that puts payloads into `target` at 7. */
function placing(target: Uint8Array): Decoded {
  return new Decoded(4082, (_header, slot) => {
    slot.buffer = target;
    slot.offset = 7;
  });
}

describe('a place named by the sink', () => {
  it('gets the payload, and nothing around it is touched', () => {
    const target = new Uint8Array(150).fill(0x33);
    const decoded = placing(target).push(dataPacket(1, LENGTH));
    expect(target.subarray(7, 107)).toEqual(PAYLOAD);
    expect(target.subarray(0, 7)).toEqual(new Uint8Array(7).fill(0x33));
    expect(target.subarray(107)).toEqual(new Uint8Array(43).fill(0x33));
    expect(decoded.packets[0]?.payload).toEqual(PAYLOAD);
  });

  it('is asked for once a packet with a payload, never for one without', () => {
    const asked: number[] = [];
    const decoded = new Decoded(4082, (header) => asked.push(header.sequence));
    for (const byte of join(dataPacket(1, 5), dataPacket(2, 0), dataPacket(3, 9)))
      decoded.push(Uint8Array.of(byte));
    expect(asked).toEqual([1, 3]);
  });

  it('is handed over in the slot of the packet', () => {
    const target = new Uint8Array(150);
    const seen: PayloadSlot[] = [];
    const decoder = new StreamDecoder(
      {
        place: (_header, slot) => {
          slot.buffer = target;
          slot.offset = 3;
        },
        packet: (_header, slot) => seen.push({ ...slot }),
      },
      200,
    );
    decoder.push(dataPacket(1, LENGTH));
    expect(seen).toHaveLength(1);
    expect(seen[0]?.buffer).toBe(target);
    expect(seen[0]?.offset).toBe(3);
  });

  it('holds what came of a damaged payload, and no packet is handed over', () => {
    const target = new Uint8Array(150);
    const damaged = dataPacket(1, LENGTH);
    damaged[60] = damaged[60]! ^ 1;
    const decoded = placing(target).push(damaged);
    expect(decoded.packets).toEqual([]);
    expect(decoded.damaged.map(({ sequence }) => sequence)).toEqual([1]);
  });

  it('packets swallowed by a placed payload are found in it', () => {
    const target = new Uint8Array(500);
    const places: number[] = [];
    const decoded = new Decoded(4082, (header, slot) => {
      places.push(header.sequence);
      slot.buffer = target;
      slot.offset = header.sequence === 1 ? 0 : 300;
    });
    for (const chunk of [dataPacket(1, 200).subarray(0, 50), dataPacket(2, 100), dataPacket(3, 60)])
      decoded.push(chunk);
    while (decoded.decoder.inPacket) decoded.decoder.abandon();
    expect(decoded.packets.map(({ header }) => header.sequence)).toEqual([2, 3]);
    expect(decoded.packets[0]?.payload).toEqual(dataPacket(2, 100).slice(10, 110));
    expect(places).toEqual([1, 2, 3]);
  });
});

describe('detach', () => {
  it('at every point of a payload: no further byte is written there, and the packet comes whole', () => {
    const bytes = dataPacket(1, LENGTH);
    for (let at = 10; at < bytes.length; at++) {
      const target = new Uint8Array(150);
      const decoded = placing(target).push(bytes.subarray(0, at));
      decoded.decoder.detach();
      target.fill(0x44);
      decoded.push(bytes.subarray(at));
      expect(target, `after ${at} bytes`).toEqual(new Uint8Array(150).fill(0x44));
      expect(decoded.packets[0]?.payload).toEqual(PAYLOAD);
    }
  });

  it('between packets and inside a header does nothing', () => {
    for (const at of [0, 4, 114]) {
      const target = new Uint8Array(150);
      const stream = join(dataPacket(1, LENGTH), dataPacket(1, LENGTH));
      const decoded = placing(target).push(stream.subarray(0, at));
      decoded.decoder.detach();
      decoded.push(stream.subarray(at));
      expect(decoded.packets).toHaveLength(2);
      expect(target.subarray(7, 107)).toEqual(PAYLOAD);
    }
  });

  it('after the limit was raised it still finds room', () => {
    const target = new Uint8Array(150);
    const decoded = placing(target).push(dataPacket(1, LENGTH).subarray(0, 40));
    decoded.decoder.maxPayload = 8_178;
    decoded.decoder.detach();
    decoded.push(dataPacket(1, LENGTH).subarray(40));
    expect(decoded.packets[0]?.payload).toEqual(PAYLOAD);
  });
});

describe('with CRCs off', () => {
  const off = (): Decoded => {
    const decoded = new Decoded(200);
    decoded.decoder.crc = false;
    return decoded;
  };
  const plain = (header: Omit<PacketHeader, 'length'>, payload = new Uint8Array(0)): Uint8Array =>
    encodePacket(header, payload, false);

  it('the fields stay on the wire and their values do not matter', () => {
    const bytes = plain({ sequence: 1, channel: 5, flags: 0, opcode: 0x26 }, PAYLOAD);
    bytes.set([0x12, 0x34], 8);
    bytes.set([1, 2, 3, 4], 110);
    expect(off().push(bytes).packets[0]?.payload).toEqual(PAYLOAD);
  });

  it.each([
    ['an opcode that there is not', { sequence: 1, channel: 5, flags: 0, opcode: 0x77 }],
    ['a channel beyond 31', { sequence: 1, channel: 32, flags: 0, opcode: 0x26 }],
    ['reserved flags', { sequence: 1, channel: 5, flags: 0x40, opcode: 0x26 }],
  ])('%s is no header', (_name, header) => {
    const decoded = off().push(plain(header), plain({ sequence: 2, channel: 0, flags: 0, opcode: 0x20 }));
    expect(decoded.packets.map(({ header: { sequence } }) => sequence)).toEqual([2]);
    expect(decoded.stats).toMatchObject({ headerErrors: 1, discardedBytes: 10 });
  });

  it('switched on again in the middle of a payload, the packet is not trusted', () => {
    const decoded = off();
    const bytes = plain({ sequence: 1, channel: 5, flags: 0, opcode: 0x26 }, PAYLOAD);
    decoded.push(bytes.subarray(0, 50));
    decoded.decoder.crc = true;
    decoded.push(bytes.subarray(50), dataPacket(2, 3));
    expect(decoded.packets.map(({ header }) => header.sequence)).toEqual([2]);
    expect(decoded.stats.discardedBytes).toBe(bytes.length);
  });
});
