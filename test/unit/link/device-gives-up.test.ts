import { describe, expect, it } from 'vitest';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, isAck, once, parse, pattern, pieceChannel } from './support.js';

/** The host's ACKs never arrive: the device waits 0.5 + 1 + 2 + 4 s and resets itself to the default capabilities. */
describe('the device gives up waiting for an ACK', () => {
  const silence = () =>
    once(
      (packet, direction) => direction === 'toDevice' && isAck(packet),
      () => [],
      4,
    );

  it('after 7.5 seconds and four transmissions; then number and capabilities are the defaults', () => {
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(pattern(1_000)));
    line.run();
    line.tamper = silence();
    line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 50),
      destination: new Uint8Array(50),
    });
    line.run(() => line.device.busy);
    const begun = line.now;
    line.run(() => !line.device.busy);
    expect(Math.round(line.now - begun)).toBe(7_500);
    expect(line.device.stats.retransmits).toBe(3);
    expect(line.device.sequence).toBe(0);
    expect(line.device.caps.maxPayload).toBe(4_082);
  });

  it('the host, which thinks the session goes on, finds out by the next request and starts again', () => {
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const data = pattern(1_000);
    const id = line.device.register(bufferChannel(data));
    line.tamper = silence();
    expect(line.read(id, 0, 50).bytes).toEqual(data.subarray(0, 50));
    line.run();
    expect(line.device.caps.maxPayload).toBe(4_082);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2 }).kind).toBe('reply');
    expect(line.host.stats.naks).toEqual({ SEQUENCE: 1 });
    expect(line.device.caps).toEqual(line.host.caps);
    expect(line.read(id, 0, 1_000).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });

  it('a request made meanwhile waits in the device, is lost with the reset, and the host recovers', () => {
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const data = pattern(1_000);
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(
      (packet, direction) =>
        direction === 'toDevice' && isAck(packet) && packet.opcode === Opcode.CHANNEL_READ,
      () => [],
      100,
    );
    expect(line.read(id, 0, 50).bytes).toEqual(data.subarray(0, 50));
    const next = line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2 });
    expect(next.kind).toBe('reply');
    line.tamper = undefined;
    expect(line.read(id, 0, 1_000).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });

  it('in the middle of a READ: what came is there, the rest is reported missing', () => {
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const data = pattern(1_000);
    const id = line.device.register(bufferChannel(data));
    // From fragment 4 on nothing of it passes any more, in either direction.
    line.tamper = (packet) => {
      const { opcode, sequence } = parse(packet);
      return opcode === Opcode.CHANNEL_READ && sequence >= 6 ? [] : undefined;
    };
    const { outcome, bytes } = line.read(id, 0, 1_000);
    expect(outcome).toEqual({ kind: 'read', missing: [{ from: 400, to: 1_000 }] });
    expect(bytes.subarray(0, 400)).toEqual(data.subarray(0, 400));
    expect(line.host.stats.fragmentsLost).toBe(6);
    line.tamper = undefined;
    // The device still waited, and acts on nothing but SYNC: it is sent without losing another request.
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ timeouts: 1, resyncs: 1 });
    expect(line.read(id, 0, 1_000).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });

  it("of a read() backend the vendor's loop sends the next piece after the reset; the host recovers", () => {
    const line = new VirtualLine().connect();
    const data = pattern(2_000);
    const id = line.device.register(pieceChannel(data, [512]));
    line.tamper = once(
      (packet, direction) =>
        direction === 'toDevice' && isAck(packet) && packet.opcode === Opcode.CHANNEL_READ,
      () => [],
      6,
    );
    line.read(id, 0, 2_000);
    line.run();
    line.tamper = undefined;
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 3 }).kind).toBe('reply');
    expect(line.read(id, 0, 2_000).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });
});

describe('the host goes away in the middle of an acked reply', () => {
  it('and the next one gets through: SYNC is all that the device still obeys', () => {
    const first = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const id = first.device.register(bufferChannel(pattern(1_000)));
    first.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 1_000),
      destination: new Uint8Array(1_000),
    });
    first.runFor(2);
    first.host.close();
    first.runFor(2);
    expect(first.device.busy).toBe(true);
    // The same device, a new host.
    first.host.connect(first.now);
    first.run(() => first.host.state === 'ready');
    expect(first.read(id, 0, 1_000).bytes).toEqual(pattern(1_000));
    expect(first.problems()).toEqual([]);
  });
});
