import { describe, expect, it } from 'vitest';
import { ChannelFlag, Opcode } from '../../../src/protocol/constants.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, missingOf, parse, pattern, wrongBytes } from './support.js';

/** Delays the device's packets that `matches` picks, without changing their order. */
function delayed(line: VirtualLine, matches: (index: number) => boolean, ms: number): void {
  let index = 0;
  let free = 0;
  line.tamper = (packet, direction) => {
    if (direction === 'toDevice') return undefined;
    const late = parse(packet).opcode === Opcode.CHANNEL_READ && matches(index++);
    free = Math.max(free, line.now + (late ? ms : 0));
    line.at(free, () => line.inject('toHost', packet));
    return [];
  };
}

describe('fragments that come after the host has stopped waiting, acks off', () => {
  it('are not taken for the next READ of the same channel', () => {
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 100 } }).connect();
    const first = pattern(1_000, 1);
    const second = pattern(1_000, 2);
    let reads = 0;
    const id = line.device.register({
      name: 'frame',
      flags: ChannelFlag.READ,
      readp: (offset, length) => (reads++ === 0 ? first : second).subarray(offset, offset + length),
    });
    delayed(line, (index) => index === 5, 300);
    const one = line.read(id, 0, 1_000);
    expect(missingOf(one.outcome)).toEqual([{ from: 500, to: 1_000 }]);
    expect(wrongBytes(one.bytes, first, missingOf(one.outcome))).toBe(0);
    const snapshot = one.bytes.slice();
    // Its reply comes behind the rest of the first one's.
    const two = line.read(id, 0, 1_000, 3);
    expect(wrongBytes(two.bytes, second, missingOf(two.outcome))).toBe(0);
    line.run();
    expect(one.bytes).toEqual(snapshot);
    expect(line.host.stats.stale).toBeGreaterThanOrEqual(5);
    expect(line.problems()).toEqual([]);
  });

  it('after a partial READ the number is the one behind it: no resynchronisation is needed', () => {
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 100 } }).connect();
    const data = pattern(6_000);
    const id = line.device.register(bufferChannel(data));
    for (let round = 0; round < 20; round++) {
      let index = 0;
      line.tamper = (packet, direction) =>
        direction === 'toHost' && parse(packet).opcode === Opcode.CHANNEL_READ && index++ >= 40
          ? []
          : undefined;
      const { outcome } = line.read(id, 0, 6_000);
      expect(missingOf(outcome)).toEqual([{ from: 4_000, to: 6_000 }]);
      line.tamper = undefined;
      expect(line.ask({ opcode: Opcode.CHANNEL_SIZE, channel: id }).kind).toBe('reply');
    }
    expect(line.host.stats.resyncs).toBe(0);
    expect(line.problems()).toEqual([]);
  });
});

describe('a fragment cut short, as the last of a reply', () => {
  it('the reply is settled, and the bytes that come later do not reach its buffer', () => {
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 1_000 } }).connect();
    const data = pattern(2_500);
    const id = line.device.register(bufferChannel(data));
    let fragment = 0;
    line.tamper = (packet, direction) => {
      if (direction === 'toDevice' || parse(packet).opcode !== Opcode.CHANNEL_READ) return undefined;
      if (++fragment !== 3) return undefined;
      // The rest of it comes two seconds later.
      line.at(line.now + 2_000, () => line.inject('toHost', packet.subarray(300)));
      return [packet.subarray(0, 300)];
    };
    const { outcome, bytes } = line.read(id, 0, 2_500);
    expect(missingOf(outcome)).toEqual([{ from: 2_000, to: 2_500 }]);
    bytes.fill(0x55);
    line.run();
    expect(bytes).toEqual(new Uint8Array(2_500).fill(0x55));
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.deadline()).toBeUndefined();
  });

  it('two packets cut short, one inside the other: the one that is settled first lets go of its buffer', () => {
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 1_000 } }).connect();
    const data = pattern(3_500);
    const id = line.device.register(bufferChannel(data));
    let fragment = 0;
    line.tamper = (packet, direction) => {
      if (direction === 'toDevice' || parse(packet).opcode !== Opcode.CHANNEL_READ) return undefined;
      fragment++;
      if (fragment === 3) return [packet.subarray(0, 100)];
      if (fragment === 4) {
        line.at(line.now + 2_000, () => line.inject('toHost', packet.subarray(200)));
        return [packet.subarray(0, 200)];
      }
      return undefined;
    };
    const { outcome, bytes } = line.read(id, 0, 3_500);
    expect(missingOf(outcome)).toEqual([{ from: 2_000, to: 3_500 }]);
    bytes.fill(0x55);
    line.run();
    expect(bytes).toEqual(new Uint8Array(3_500).fill(0x55));
  });
});

describe('two fragments cut short, one swallowed by the other, and a whole one swallowed by both', () => {
  it('the whole one is found at the end of the wait', () => {
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 1_000 } }).connect();
    const data = pattern(3_050);
    const id = line.device.register(bufferChannel(data));
    let fragment = 0;
    line.tamper = (packet, direction) => {
      if (direction === 'toDevice') return undefined;
      const kept = [packet.length, 100, 200, packet.length][fragment++];
      return [packet.subarray(0, kept)];
    };
    const { outcome, bytes } = line.read(id, 0, 3_050);
    expect(missingOf(outcome)).toEqual([{ from: 1_000, to: 3_000 }]);
    expect(wrongBytes(bytes, data, missingOf(outcome))).toBe(0);
    line.tamper = undefined;
    expect(line.problems()).toEqual([]);
  });
});

describe('a header that came before the READ it would fit', () => {
  it('gives its bytes to the READ all the same, if they fit; never zeros', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const data = pattern(100);
    const id = line.device.register(bufferChannel(data));
    line.run();
    line.tamper = (packet, direction) => {
      if (direction === 'toDevice') return undefined;
      line.inject('toHost', packet.subarray(40));
      return [];
    };
    // The first part of the very packet that the device is going to send.
    const early = new VirtualLine({ wanted: { ack: false } }).connect();
    early.device.register(bufferChannel(data));
    early.read(id, 0, 100);
    line.inject('toHost', early.sent.at(-1)!.packet.subarray(0, 40));
    line.run();
    const { outcome, bytes } = line.read(id, 0, 100);
    expect(outcome).toEqual({ kind: 'read', missing: [] });
    expect(bytes).toEqual(data);
  });
});
