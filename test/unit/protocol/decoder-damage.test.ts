import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { StreamDecoder } from '../../../src/protocol/decoder.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import { Random } from '../../fakes/random.js';
import { Decoded, dataPacket, join } from './decoded.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const FIRST = dataPacket(1, 60);
const SECOND = dataPacket(2, 40);
const THIRD = dataPacket(3, 0);
const sequences = (decoded: Decoded): number[] => decoded.packets.map(({ header }) => header.sequence);

describe('one damaged byte', () => {
  it.each(Array.from(FIRST, (_, index) => index))('at position %i costs that packet alone', (index) => {
    for (const change of [0x01, 0x80, 0xff]) {
      const damaged = FIRST.slice();
      damaged[index] = damaged[index]! ^ change;
      const decoded = new Decoded().push(join(damaged, SECOND, THIRD));
      expect(sequences(decoded)).toEqual([2, 3]);
      expect(decoded.stats.discardedBytes).toBe(FIRST.length);
    }
  });

  it('in a header is a header error, in a payload or its CRC a payload error', () => {
    for (let index = 2; index < FIRST.length; index++) {
      const damaged = FIRST.slice();
      damaged[index] = damaged[index]! ^ 0x10;
      const decoded = new Decoded().push(join(damaged, SECOND));
      expect(decoded.stats.headerErrors, `byte ${index}`).toBe(index < 10 ? 1 : 0);
      expect(decoded.stats.payloadErrors, `byte ${index}`).toBe(index < 10 ? 0 : 1);
      expect(decoded.damaged.map(({ sequence }) => sequence)).toEqual(index < 10 ? [] : [1]);
    }
  });
});

describe('a packet cut short', () => {
  it.each(Array.from(FIRST, (_, index) => index))('after %i bytes costs no other packet', (kept) => {
    const decoded = new Decoded().push(join(FIRST.subarray(0, kept), SECOND, THIRD));
    // What follows may not fill the payload that was promised: when nothing more comes, it is given up.
    decoded.decoder.abandon();
    expect(sequences(decoded)).toEqual([2, 3]);
    expect(decoded.stats.discardedBytes).toBe(kept);
  });

  it('finds the swallowed packets by itself once enough bytes have come', () => {
    const decoded = new Decoded().push(dataPacket(1, 200).subarray(0, 30), SECOND, THIRD);
    expect(decoded.decoder.inPacket).toBe(true);
    expect(sequences(decoded)).toEqual([]);
    decoded.push(dataPacket(4, 150));
    expect(sequences(decoded)).toEqual([2, 3, 4]);
    expect(decoded.decoder.inPacket).toBe(false);
  });

  it('inside what was swallowed, another packet may be cut short', () => {
    const stream = join(
      dataPacket(1, 500).subarray(0, 50),
      dataPacket(2, 300).subarray(0, 40),
      SECOND,
      THIRD,
    );
    const decoded = new Decoded().push(stream);
    for (let rounds = 0; decoded.decoder.inPacket; rounds++) {
      expect(rounds).toBeLessThan(3);
      decoded.decoder.abandon();
    }
    expect(sequences(decoded)).toEqual([2, 3]);
  });

  it('the search goes on at the first byte that follows, in whatever chunks', () => {
    for (let size = 1; size <= 70; size++) {
      const stream = join(FIRST.subarray(0, 45), SECOND, dataPacket(4, 64));
      const decoded = new Decoded();
      for (let at = 0; at < stream.length; at += size) decoded.push(stream.subarray(at, at + size));
      expect(sequences(decoded), `chunks of ${size}`).toEqual([2, 4]);
    }
  });
});

describe('lengths', () => {
  it('a good header that claims more than the limit is damage, and what follows is found at once', () => {
    const decoded = new Decoded(64).push(join(dataPacket(1, 65), SECOND));
    expect(sequences(decoded)).toEqual([2]);
    expect(decoded.stats).toMatchObject({ oversized: 1, discardedBytes: 79, headerErrors: 0 });
  });

  it('exactly the limit is taken', () => {
    expect(sequences(new Decoded(64).push(dataPacket(1, 64)))).toEqual([1]);
  });

  it('65,535 claimed bytes are not waited for', () => {
    const huge = encodePacket({ sequence: 1, channel: 0, flags: 0, opcode: 0x26 }, new Uint8Array(0xffff));
    const decoded = new Decoded(4082).push(huge.subarray(0, 10), SECOND);
    expect(sequences(decoded)).toEqual([2]);
  });

  it('a limit set in the middle of a packet holds from the next one on', () => {
    const decoded = new Decoded(100).push(FIRST.subarray(0, 20));
    decoded.decoder.maxPayload = 50;
    decoded.push(FIRST.subarray(20), FIRST, SECOND);
    expect(sequences(decoded)).toEqual([1, 2]);
    expect(decoded.stats.oversized).toBe(1);
  });

  it('a limit raised in the middle of a packet harms neither it nor the next', () => {
    const decoded = new Decoded(60).push(FIRST.subarray(0, 20));
    decoded.decoder.maxPayload = 500;
    decoded.push(FIRST.subarray(20), dataPacket(2, 500));
    expect(decoded.packets.map(({ payload }) => payload)).toEqual([
      FIRST.slice(10, 70),
      dataPacket(2, 500).slice(10, 510),
    ]);
  });
});

describe('packets inside packets, all damaged at their ends', () => {
  /** Headers as dense as they go; each claims a payload up to the very end. */
  function nested(depth: number): Uint8Array {
    const bytes = new Uint8Array(depth * 10 + 5);
    for (let index = 0; index < depth; index++) {
      const length = bytes.length - index * 10 - 14;
      const whole = encodePacket(
        { sequence: index & 0xff, channel: 0, flags: 0, opcode: 0x26 },
        new Uint8Array(length),
      );
      bytes.set(whole.subarray(0, 10), index * 10);
    }
    return bytes;
  }

  it.each([1, 7, 4096, 65_536])('are searched without recursion, in chunks of %i', (size) => {
    const stream = join(nested(1_600), SECOND);
    const decoded = new Decoded(16_384);
    for (let at = 0; at < stream.length; at += size) decoded.push(stream.subarray(at, at + size));
    while (decoded.decoder.inPacket) decoded.decoder.abandon();
    expect(sequences(decoded)).toEqual([2]);
    expect(decoded.stats.discardedBytes).toBe(stream.length - SECOND.length);
  });
});

describe('memory', () => {
  it('does not grow with what is fed', async () => {
    const random = new Random(3);
    const decoder = new StreamDecoder({ packet: () => undefined }, 4082);
    const chunk = join(random.bytes(3_000), FIRST.subarray(0, 40), random.bytes(1_000), dataPacket(1, 4082));
    const heldAfter = async (rounds: number): Promise<number> => {
      for (let round = 0; round < rounds; round++) decoder.push(chunk);
      for (let turn = 0; turn < 3; turn++) {
        collectGarbage();
        await setImmediate();
      }
      return process.memoryUsage().arrayBuffers;
    };
    const before = await heldAfter(100);
    // 40 MB.
    expect((await heldAfter(5_000)) - before).toBeLessThan(100_000);
    expect(decoder.stats.packets).toBeGreaterThanOrEqual(5_000);
  });
});
