import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePacket } from '../../../src/protocol/packet.js';
import { Decoded, dataPacket, join, split } from './decoded.js';

/** Packets of all kinds, their payloads rich in sync bytes. */
const payload = fc
  .uint8Array({ maxLength: 80 })
  .map((bytes) => bytes.map((byte) => (byte < 40 ? 0xaa : byte < 70 ? 0xd5 : byte)));
const packet = fc
  .tuple(fc.nat(255), fc.nat(31), fc.nat(63), fc.constantFrom(0x00, 0x13, 0x25, 0x26, 0x29), payload)
  .map(([sequence, channel, flags, opcode, bytes]) => ({
    header: { sequence, channel, flags, opcode, length: bytes.length },
    payload: bytes,
    bytes: encodePacket({ sequence, channel, flags, opcode }, bytes),
  }));
const noise = fc.uint8Array({ maxLength: 30 });
const cuts = fc.array(fc.nat(2000), { maxLength: 60 });

describe('any chunking', () => {
  it('gives the same packets, with nothing discarded', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 12 }), cuts, (packets, places) => {
        const decoded = new Decoded().push(...split(join(...packets.map(({ bytes }) => bytes)), places));
        expect(decoded.packets).toEqual(
          packets.map(({ header, payload: body }) => ({ header, payload: body })),
        );
        expect(decoded.stats.discardedBytes).toBe(0);
      }),
    );
  });

  it('gives the same packets with CRCs off', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 12 }), cuts, (packets, places) => {
        const stream = join(...packets.map(({ header, payload: body }) => encodePacket(header, body, false)));
        const decoded = new Decoded();
        decoded.decoder.crc = false;
        decoded.push(...split(stream, places));
        expect(decoded.packets.map(({ payload: body }) => body)).toEqual(
          packets.map(({ payload: body }) => body),
        );
        expect(decoded.stats.discardedBytes).toBe(0);
      }),
    );
  });

  it('byte by byte', () => {
    const stream = join(dataPacket(1, 0), dataPacket(2, 300), dataPacket(3, 1));
    const decoded = new Decoded().push(...Array.from(stream, (byte) => Uint8Array.of(byte)));
    expect(decoded.packets.map(({ header }) => header.sequence)).toEqual([1, 2, 3]);
  });

  it('does not change what becomes of a damaged stream', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            packet.map(({ bytes }) => bytes),
            noise,
            packet.map(({ bytes }) => bytes.subarray(0, bytes.length - 3)),
          ),
          {
            maxLength: 15,
          },
        ),
        cuts,
        (pieces, places) => {
          const stream = join(...pieces);
          const whole = new Decoded().push(stream);
          const chunked = new Decoded().push(...split(stream, places));
          whole.decoder.abandon();
          chunked.decoder.abandon();
          expect(chunked.packets).toEqual(whole.packets);
          expect(chunked.stats).toEqual(whole.stats);
        },
      ),
    );
  });
});

describe('accounting', () => {
  it('every byte pushed is in a packet, discarded, or still held', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            noise,
            packet.map(({ bytes }) => bytes),
          ),
          { maxLength: 15 },
        ),
        cuts,
        (pieces, places) => {
          const stream = join(...pieces);
          const decoded = new Decoded(60).push(...split(stream, places));
          while (decoded.decoder.inPacket) decoded.decoder.abandon();
          decoded.decoder.reset();
          expect(decoded.stats.bytes).toBe(stream.length);
          expect(decoded.stats.discardedBytes + decoded.packetBytes).toBe(stream.length);
          expect(decoded.stats.packets).toBe(decoded.packets.length);
        },
      ),
    );
  });

  it('reset in the middle of a payload or of a header counts what was held', () => {
    for (const held of [3, 9, 10, 15, 110, 112]) {
      const decoded = new Decoded().push(dataPacket(1, 100).subarray(0, held));
      decoded.decoder.reset();
      expect(decoded.stats.discardedBytes).toBe(held);
      expect(decoded.push(dataPacket(2, 5)).packets).toHaveLength(1);
    }
  });
});

describe('noise between packets', () => {
  it('costs no packet', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(noise, packet), { minLength: 1, maxLength: 8 }),
        cuts,
        (pairs, places) => {
          const decoded = new Decoded();
          for (const [garbage, { bytes }] of pairs) {
            decoded.push(...split(join(garbage, bytes), places));
          }
          while (decoded.decoder.inPacket) decoded.decoder.abandon();
          const wanted = pairs.map(([, { payload: body }]) => Buffer.from(body).toString('hex'));
          const found = decoded.packets.map(({ payload: body }) => Buffer.from(body).toString('hex'));
          expect(found).toEqual(wanted);
        },
      ),
    );
  });

  it('a single sync byte before a packet is skipped', () => {
    const decoded = new Decoded().push(join(Uint8Array.of(0xaa), dataPacket(1, 4)));
    expect(decoded.packets).toHaveLength(1);
    expect(decoded.stats).toMatchObject({ discardedBytes: 1, headerErrors: 0 });
  });

  it('a whole sync word before a packet costs one header error', () => {
    const decoded = new Decoded().push(join(Uint8Array.of(0xaa, 0xd5), dataPacket(1, 4)));
    expect(decoded.packets).toHaveLength(1);
    expect(decoded.stats).toMatchObject({ discardedBytes: 2, headerErrors: 1 });
  });
});

describe('a packet inside a payload', () => {
  it('is payload as long as its surroundings are good', () => {
    const inner = dataPacket(9, 20);
    const outer = encodePacket({ sequence: 1, channel: 2, flags: 0, opcode: 0x26 }, join(inner, inner));
    const decoded = new Decoded().push(outer);
    expect(decoded.packets).toHaveLength(1);
    expect(decoded.packets[0]?.payload).toEqual(join(inner, inner));
  });
});
