import { describe, expect, it } from 'vitest';
import { Flag, Opcode } from '../../../src/protocol/constants.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, flipped, isAck, once, parse, pattern } from './support.js';

/** The host's ACKs that the fault hits; `index` counts fragments. */
const acksOfRead = (index: number) => (packet: ReturnType<typeof parse>, direction: string) =>
  direction === 'toDevice' &&
  isAck(packet) &&
  packet.opcode === Opcode.CHANNEL_READ &&
  packet.sequence === 2 + index;

const FAULTS: [name: string, arrives: (packet: Uint8Array) => Uint8Array[]][] = [
  ['lost', () => []],
  ['damaged', (packet) => [flipped(packet, 37)]],
  ['cut short', (packet) => [packet.subarray(0, 6)]],
];

describe.each(FAULTS)("the host's ACK is %s, acks on", (_name, arrives) => {
  it.each([0, 4, 9])('of fragment %i: the device repeats it with RTX, and it is used once', (index) => {
    const data = pattern(950);
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(acksOfRead(index), arrives);
    expect(line.read(id, 0, 950)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ duplicates: 1, resyncs: 0, retries: 0, timeouts: 0 });
    expect(line.device.stats.retransmits).toBe(1);
    const repeated = line.sent.filter(({ packet }) => (parse(packet).flags & Flag.RTX) !== 0);
    expect(repeated.map(({ packet }) => parse(packet).sequence)).toEqual([2 + index]);
    expect(line.problems()).toEqual([]);
  });

  it('three times in a row: the waits double, and the fourth transmission is acknowledged', () => {
    const data = pattern(250);
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(acksOfRead(2), arrives, 3);
    expect(line.read(id, 0, 250).bytes).toEqual(data);
    line.run();
    const times = line.sent
      .filter(({ direction, packet }) => direction === 'toHost' && parse(packet).sequence === 4)
      .map(({ at }) => at);
    expect(times.slice(1).map((at, index) => Math.round(at - times[index]!))).toEqual([500, 1_000, 2_000]);
    expect(line.host.stats).toMatchObject({ duplicates: 3, resyncs: 0 });
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });

  it('of a small reply: the next request waits in the device until it is repaired', () => {
    const line = new VirtualLine().connect();
    line.tamper = once((packet, direction) => direction === 'toDevice' && isAck(packet), arrives);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.ask({ opcode: Opcode.SYS_INFO }).kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ duplicates: 1, resyncs: 0 });
    expect(line.problems()).toEqual([]);
  });
});
