import { describe, expect, it } from 'vitest';
import { Opcode } from '../../../src/protocol/constants.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, flipped, once, parse, pattern } from './support.js';

const FAULTS: [name: string, arrives: (packet: Uint8Array) => Uint8Array[]][] = [
  ['lost', () => []],
  ['damaged in its header', (packet) => [flipped(packet, 37)]],
  ['damaged in its payload', (packet) => [flipped(packet, 85)]],
  ['cut short', (packet) => [packet.subarray(0, 12)]],
];

describe.each(FAULTS)('a reply is %s', (_name, arrives) => {
  const version = (): ReturnType<typeof once> =>
    once((packet, direction) => direction === 'toHost' && packet.opcode === Opcode.PROTO_VERSION, arrives);

  it('acks off, one attempt: it is not known whether it was carried out', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = version();
    expect(line.ask({ opcode: Opcode.PROTO_VERSION })).toEqual({ kind: 'lost', reason: 'timeout' });
    expect(line.host.stats).toMatchObject({ timeouts: 1, resyncs: 1, retries: 0 });
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });

  it('acks off, two attempts: it is asked again after the resynchronisation', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = version();
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2 }).kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ timeouts: 1, resyncs: 1, retries: 1 });
    expect(line.problems()).toEqual([]);
  });

  it('acks off, lost more often than there are attempts', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = once(
      (packet, direction) => direction === 'toHost' && packet.opcode === Opcode.PROTO_VERSION,
      arrives,
      3,
    );
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 3 })).toEqual({
      kind: 'lost',
      reason: 'timeout',
    });
    expect(line.host.stats).toMatchObject({ timeouts: 3, resyncs: 3, retries: 2 });
    expect(line.problems()).toEqual([]);
  });

  it('acks on: the device repeats it', () => {
    const line = new VirtualLine().connect();
    line.tamper = version();
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ timeouts: 0, resyncs: 0, duplicates: 0 });
    expect(line.device.stats.retransmits).toBe(1);
    // Half a second of waiting says nothing about the line.
    expect(line.host.stats.roundTripMs).toBeLessThan(1);
    expect(line.problems()).toEqual([]);
  });

  it.each([0, 4, 9])('acks on, fragment %i of a READ: the device repeats it, nothing is missing', (index) => {
    const data = pattern(950);
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(
      (packet, direction) =>
        direction === 'toHost' && packet.opcode === Opcode.CHANNEL_READ && packet.sequence === 2 + index,
      arrives,
    );
    expect(line.read(id, 0, 950)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
    expect(line.host.stats).toMatchObject({ timeouts: 0, resyncs: 0 });
    expect(line.problems()).toEqual([]);
  });

  it('an ACK to a write, acks off and on: not known whether it was carried out', () => {
    for (const ack of [true, false]) {
      const line = new VirtualLine({ wanted: { ack } }).connect();
      let writes = 0;
      const id = line.device.register({ name: 'in', flags: 2, write: () => ++writes });
      line.tamper = once(
        (packet, direction) => direction === 'toHost' && packet.opcode === Opcode.CHANNEL_WRITE,
        () => [],
      );
      const payload = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 9);
      expect(line.ask({ opcode: Opcode.CHANNEL_WRITE, channel: id, payload })).toEqual({
        kind: 'lost',
        reason: 'timeout',
      });
      expect(writes).toBe(1);
      expect(line.problems()).toEqual([]);
    }
  });
});

describe('a cut reply swallows the event behind it', () => {
  it('and both the loss and the event come out', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = once(
      (packet, direction) => direction === 'toHost' && packet.opcode === Opcode.SYS_INFO,
      (packet) => [packet.subarray(0, 20)],
    );
    line.at(line.now + 5, () => line.device.sendEvent(4, 11, false, line.now));
    expect(line.ask({ opcode: Opcode.SYS_INFO, attempts: 2 }).kind).toBe('reply');
    expect(line.events).toEqual([[4, 11]]);
    expect(parse(line.sent.at(-1)!.packet).opcode).toBe(Opcode.SYS_INFO);
    expect(line.problems()).toEqual([]);
  });
});
