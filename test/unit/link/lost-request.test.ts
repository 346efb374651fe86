import { describe, expect, it } from 'vitest';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, flipped, once, pattern } from './support.js';

const request = (opcode: number) => (packet: { opcode: number; flags: number }, direction: string) =>
  direction === 'toDevice' && packet.opcode === opcode && packet.flags === 0;

describe.each([true, false])('a request is lost, acks %s', (ack) => {
  it.each([
    ['altogether', () => []],
    [
      'by a damaged header, which the device skips without a word',
      (packet: Uint8Array) => [flipped(packet, 20)],
    ],
  ])('%s: the timer finds out', (_name, arrives) => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    line.tamper = once(request(Opcode.PROTO_VERSION), arrives);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2 }).kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ timeouts: 1, resyncs: 1, retries: 1 });
    expect(line.problems()).toEqual([]);
  });

  it('a READ with one attempt is not repeated by the link', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const id = line.device.register(bufferChannel(pattern(9_000)));
    line.tamper = once(request(Opcode.CHANNEL_READ));
    expect(line.read(id, 0, 9_000).outcome).toEqual({ kind: 'lost', reason: 'timeout' });
    line.run(() => line.host.state === 'ready');
    expect(line.read(id, 0, 9_000).bytes).toEqual(pattern(9_000));
    expect(line.problems()).toEqual([]);
  });
});

describe.each([true, false])('a request with a damaged payload, acks %s', (ack) => {
  it('is refused unread (NAK CHECKSUM) and repeated at once, one attempt or not', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const data = pattern(9_000);
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(request(Opcode.CHANNEL_READ), (packet) => [flipped(packet, 8 * 12)], 3);
    expect(line.read(id, 0, 9_000)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
    expect(line.host.stats).toMatchObject({ retries: 3, resyncs: 0, timeouts: 0, naks: { CHECKSUM: 3 } });
    expect(line.problems()).toEqual([]);
  });

  it('writes arrive once', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const written: number[] = [];
    const id = line.device.register({ name: 'in', flags: 2, write: (offset) => written.push(offset) });
    line.tamper = once(request(Opcode.CHANNEL_WRITE), (packet) => [flipped(packet, 8 * 15)], 2);
    const payload = encodeIoRequest(77, 4, pattern(4));
    expect(line.ask({ opcode: Opcode.CHANNEL_WRITE, channel: id, payload })).toEqual({ kind: 'ack' });
    expect(written).toEqual([77]);
    expect(line.problems()).toEqual([]);
  });

  it('that is damaged every time is given up after 20 repetitions', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const id = line.device.register(bufferChannel(pattern(10)));
    line.tamper = once(request(Opcode.CHANNEL_READ), (packet) => [flipped(packet, 8 * 12)], 1_000);
    expect(line.read(id, 0, 10).outcome).toEqual({ kind: 'nak', status: 5 });
    expect(line.host.stats.retries).toBe(20);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats.resyncs).toBe(0);
  });
});

describe.each([true, false])('a request that comes twice, acks %s', (ack) => {
  it('is refused the second time (NAK SEQUENCE), which ends in SYNC and costs no frame byte', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const data = pattern(9_000);
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(request(Opcode.CHANNEL_READ), (packet) => [packet, packet]);
    expect(line.read(id, 0, 9_000)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
    line.run();
    expect(line.host.stats.naks).toEqual({ SEQUENCE: 1 });
    expect(line.readies).toEqual([undefined, 'sequence']);
    expect(line.read(id, 0, 9_000).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });
});
