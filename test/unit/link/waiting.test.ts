import { describe, expect, it } from 'vitest';
import { HOST_TIMING } from '../../../src/link/timing.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, missingOf, parse, pattern } from './support.js';

/** A line of so many bytes a millisecond: packets arrive in pieces, one behind the other. */
function slow(line: VirtualLine, bytesPerMs: number): void {
  let free = 0;
  line.tamper = (packet, direction) => {
    if (direction === 'toDevice') return undefined;
    for (let at = 0; at < packet.length; at += 64) {
      const piece = packet.subarray(at, at + 64);
      free = Math.max(free, line.now) + piece.length / bytesPerMs;
      line.at(free, () => line.inject('toHost', piece));
    }
    return [];
  };
}

describe('a line so slow that one packet takes longer than a pause may', () => {
  it.each([
    ['921,600 baud', 92, 4_082],
    ['460,800 baud', 46, 8_178],
    ['115,200 baud', 11.5, 8_178],
  ])('%s: the packet is waited for as long as it is arriving', (_name, bytesPerMs, maxPayload) => {
    for (const ack of [true, false]) {
      const line = new VirtualLine({ wanted: { ack, maxPayload }, devicePayload: 8_178 }).connect();
      const data = pattern(25_000);
      const id = line.device.register(bufferChannel(data));
      slow(line, bytesPerMs);
      // Small replies first: they make the measured round trip short.
      for (let round = 0; round < 10; round++)
        expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
      expect(line.read(id, 0, 25_000)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
      expect(line.host.stats).toMatchObject({ timeouts: 0, resyncs: 0 });
      expect(line.problems()).toEqual([]);
    }
  });
});

describe('a process that was busy elsewhere', () => {
  /** Lets the host sleep through `ms` while bytes for it arrive, and then tick before it reads them. */
  function sleepThrough(line: VirtualLine, ms: number): void {
    line.now += ms;
    line.host.tick(line.now);
  }

  it.each([true, false])('reads what came meanwhile before it calls the device silent, acks %s', (ack) => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    for (let round = 0; round < 10; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
    const pending = line.submit({ opcode: Opcode.PROTO_VERSION });
    sleepThrough(line, 3_000);
    expect(pending.outcome).toBeUndefined();
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome?.kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ timeouts: 0, resyncs: 0 });
    expect(line.problems()).toEqual([]);
  });

  it('the wait is prolonged once, not for ever', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = () => [];
    const pending = line.submit({ opcode: Opcode.PROTO_VERSION });
    sleepThrough(line, 3_000);
    expect(pending.outcome).toBeUndefined();
    expect(line.host.deadline()).toBe(line.now + HOST_TIMING.stallMs);
    sleepThrough(line, 3_000);
    expect(pending.outcome).toEqual({ kind: 'lost', reason: 'timeout' });
  });
});

describe('the wait for a reply', () => {
  it('is half a second before a round trip has been measured, then follows the measured one', () => {
    for (const [latencyMs, least, most] of [
      [0.1, HOST_TIMING.cleanReplyMs, HOST_TIMING.cleanReplyMs],
      [20, HOST_TIMING.cleanReplyMs, HOST_TIMING.cleanReplyMs],
      [300, 1_200, HOST_TIMING.maxReplyMs],
    ] as const) {
      const line = new VirtualLine({ wanted: { ack: false }, latencyMs }).connect();
      for (let round = 0; round < 20; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
      expect(line.host.stats.roundTripMs).toBeCloseTo(2 * latencyMs, 0);
      line.submit({ opcode: Opcode.PROTO_VERSION });
      const wait = line.host.deadline()! - line.now;
      expect(wait).toBeGreaterThanOrEqual(least - 1e-6);
      expect(wait).toBeLessThanOrEqual(most + 1e-6);
      line.run();
      expect(line.host.stats.resyncs).toBe(0);
    }
  });

  it('is as long as the request asks for, if that is more', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.submit({ opcode: Opcode.PROTO_VERSION, timeoutMs: 9_000 });
    expect(line.host.deadline()).toBe(line.now + 9_000);
    line.run();
    line.submit({ opcode: Opcode.PROTO_VERSION, timeoutMs: 1 });
    expect(line.host.deadline()! - line.now).toBeGreaterThanOrEqual(HOST_TIMING.minReplyMs);
  });
});

describe('the pause behind a reply', () => {
  it('acks on: a millisecond between the last ACK and the next request, so that the script can run', () => {
    const line = new VirtualLine().connect();
    const all = [1, 2, 3, 4].map(() => line.submit({ opcode: Opcode.PROTO_VERSION }));
    line.run(() => all.every(({ outcome }) => outcome !== undefined));
    const mine = line.sent.filter(
      ({ direction, packet }) => direction === 'toDevice' && parse(packet).opcode === Opcode.PROTO_VERSION,
    );
    for (let index = 2; index < mine.length; index += 2) {
      expect(mine[index]!.at - mine[index - 1]!.at).toBeGreaterThanOrEqual(HOST_TIMING.ackPauseMs - 1e-9);
    }
    expect(line.problems()).toEqual([]);
  });

  it('acks off: none', () => {
    const line = new VirtualLine({ wanted: { ack: false }, latencyMs: 0 }).connect();
    const all = [1, 2, 3, 4].map(() => line.submit({ opcode: Opcode.PROTO_VERSION }));
    const begun = line.now;
    line.run(() => all.every(({ outcome }) => outcome !== undefined));
    expect(line.now).toBe(begun);
  });

  it('a request submitted in it waits for its end, and the deadline says so', () => {
    const line = new VirtualLine().connect();
    line.ask({ opcode: Opcode.PROTO_VERSION });
    const pending = line.submit({ opcode: Opcode.PROTO_VERSION });
    const deadline = line.host.deadline()!;
    expect(deadline).toBeGreaterThan(line.now);
    line.host.tick(line.now);
    expect(line.host.deadline()).toBe(deadline);
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome?.kind).toBe('reply');
  });
});

describe('lengths that no device has', () => {
  it.each([true, false])(
    'a good header claiming 65,535 bytes costs nothing but its ten bytes, acks %s',
    (ack) => {
      const line = new VirtualLine({ wanted: { ack } }).connect();
      const data = pattern(9_000);
      const id = line.device.register(bufferChannel(data));
      const absurd = Uint8Array.from(Buffer.from('aad50205002600000000ffff', 'hex')).subarray(0, 10);
      absurd[6] = 0xff;
      absurd[7] = 0xff;
      line.inject('toHost', withHeaderCrc(absurd));
      expect(line.read(id, 0, 9_000)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
      expect(line.host.stats).toMatchObject({ resyncs: 0, discardedBytes: 10 });
    },
  );

  it('one within the limit that is never filled: what it swallowed is found when the wait is over', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const data = pattern(1_000);
    const id = line.device.register(bufferChannel(data));
    const promise = Uint8Array.from(Buffer.from('aad5020500260000', 'hex'));
    const header = new Uint8Array(10);
    header.set(promise);
    header[6] = 0xf2;
    header[7] = 0x0f;
    line.inject('toHost', withHeaderCrc(header));
    expect(line.read(id, 0, 1_000)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
    expect(missingOf({ kind: 'read', missing: [] })).toEqual([]);
    expect(line.host.stats.resyncs).toBe(0);
    expect(line.problems()).toEqual([]);
  });
});

function withHeaderCrc(header: Uint8Array): Uint8Array {
  let crc = 0xffff;
  for (const byte of header.subarray(0, 8)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0xf94f) & 0xffff : (crc << 1) & 0xffff;
  }
  header[8] = crc & 0xff;
  header[9] = crc >> 8;
  return header;
}
