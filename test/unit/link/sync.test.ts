import { describe, expect, it } from 'vitest';
import { HOST_TIMING } from '../../../src/link/timing.js';
import { Flag, Opcode, Status } from '../../../src/protocol/constants.js';
import { encodeHalfWord, encodeIoRequest } from '../../../src/protocol/index.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, isAck, once, parse, pattern, pieceChannel, sendToHost } from './support.js';

describe('SYNC is lost', () => {
  it('at the beginning: it is sent again, after a longer wait each time', () => {
    const line = new VirtualLine({
      tamper: once(
        ({ opcode }, direction) => direction === 'toDevice' && opcode === Opcode.PROTO_SYNC,
        () => [],
        3,
      ),
    }).connect();
    const times = line.sent.filter(
      ({ direction, packet }) => direction === 'toDevice' && parse(packet).opcode === 0,
    );
    expect(times.map(({ at }) => at)).toEqual([0, 250, 750, 1_750]);
    expect(line.problems()).toEqual([]);
  });

  it('in a resynchronisation', () => {
    const line = new VirtualLine().connect();
    line.tamper = once(
      ({ opcode }, direction) => direction === 'toDevice' && opcode === Opcode.PROTO_SYNC,
      () => [],
      2,
    );
    line.host.resync(line.now, 'timeout');
    line.run(() => line.readies.length === 2);
    expect(line.host.stats.resyncs).toBe(1);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });
});

describe("SYNC's ACK", () => {
  const syncAck = (times: number, arrives: (packet: Uint8Array) => Uint8Array[] = () => []) =>
    once(
      (packet, direction) => direction === 'toHost' && packet.opcode === Opcode.PROTO_SYNC && isAck(packet),
      arrives,
      times,
    );

  it('lost: SYNC again', () => {
    const line = new VirtualLine({ tamper: syncAck(3) }).connect();
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });

  it('twice: the second one is ignored', () => {
    const line = new VirtualLine({ tamper: syncAck(1, (packet) => [packet, packet]) }).connect();
    expect(line.host.stats).toMatchObject({ stale: 1, resyncs: 0 });
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
  });

  it('late, when SYNC has been sent again: both answers come, and the session holds', () => {
    const line = new VirtualLine({ latencyMs: 400 }).connect();
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 3, timeoutMs: 5_000 }).kind).toBe('reply');
    expect(line.device.caps).toEqual(line.host.caps);
    expect(line.problems()).toEqual([]);
  });

  it('behind a packet cut short, which swallows it', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const id = line.device.register(bufferChannel(pattern(9_000)));
    line.tamper = once(
      (packet, direction) =>
        direction === 'toHost' && packet.opcode === Opcode.CHANNEL_READ && packet.sequence === 4,
      (packet) => [packet.subarray(0, 50)],
    );
    line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 9_000),
      destination: new Uint8Array(9_000),
    });
    line.runFor(1);
    line.host.resync(line.now, 'timeout');
    line.run(() => line.readies.length === 2);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });
});

describe.each([
  ['SET_CAPS', Opcode.PROTO_SET_CAPS],
  ['GET_CAPS', Opcode.PROTO_GET_CAPS],
])('%s', (_name, opcode) => {
  for (const direction of ['toDevice', 'toHost'] as const) {
    for (const ack of [true, false]) {
      it(`is lost ${direction}, wanting acks ${ack} and no CRC: from SYNC again`, () => {
        const line = new VirtualLine({
          wanted: { ack, crc: false },
          tamper: once(
            (packet, way) => way === direction && packet.opcode === opcode,
            () => [],
            2,
          ),
        }).connect();
        expect(line.device.caps).toEqual(line.host.caps);
        expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
        expect(line.problems()).toEqual([]);
      });
    }
  }
});

describe('settings that are lost again and again', () => {
  it('on a quick line cost no long waits: each wait follows the SYNC before it', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    for (let round = 0; round < 10; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
    line.tamper = once(
      ({ opcode }, direction) => direction === 'toDevice' && opcode === Opcode.PROTO_SET_CAPS,
      () => [],
      3,
    );
    const begun = line.now;
    line.host.resync(begun, 'timeout');
    line.run(() => line.readies.length === 2);
    expect(line.now - begun).toBeLessThan(4 * HOST_TIMING.minReplyMs);
  });
});

describe('NAKs to SYNC', () => {
  it('are each answered with another SYNC at once, and are no silence', () => {
    const line = new VirtualLine().connect();
    line.run();
    let naks = 0;
    line.tamper = (packet, direction) => {
      if (direction === 'toHost' || parse(packet).opcode !== Opcode.PROTO_SYNC || naks >= 30)
        return undefined;
      naks++;
      sendToHost(
        line,
        { sequence: 5, channel: 4, flags: Flag.NAK, opcode: Opcode.CHANNEL_READ },
        encodeHalfWord(Status.CHECKSUM),
      );
      return [];
    };
    const begun = line.now;
    line.host.resync(begun, 'timeout');
    line.run(() => line.readies.length === 2);
    expect(naks).toBe(30);
    expect(line.now - begun).toBeLessThan(60);
    expect(line.problems()).toEqual([]);
  });
});

describe('SYNC in the middle of a reply', () => {
  it('acks on: the device, which waits for an ACK, aborts at once', () => {
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(pattern(5_000)));
    const destination = new Uint8Array(5_000);
    const pending = line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 5_000),
      destination,
    });
    line.runFor(3);
    expect(line.device.busy).toBe(true);
    line.host.resync(line.now, 'timeout');
    expect(pending.outcome).toEqual({ kind: 'lost', reason: 'timeout' });
    line.run(() => line.readies.length === 2);
    const fragments = line.sent.filter(
      ({ direction, packet }) => direction === 'toHost' && parse(packet).opcode === Opcode.CHANNEL_READ,
    );
    expect(fragments.length).toBeLessThan(20);
    expect(line.read(id, 0, 5_000).bytes).toEqual(pattern(5_000));
    expect(line.problems()).toEqual([]);
  });

  it('acks off: answered behind the rest of the reply, which is not taken for anything', () => {
    const data = pattern(200_000);
    const line = new VirtualLine({ wanted: { ack: false }, latencyMs: 2 }).connect();
    const id = line.device.register(bufferChannel(data));
    const destination = new Uint8Array(200_000);
    line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 200_000),
      destination,
    });
    line.runFor(1);
    line.host.resync(line.now, 'timeout');
    line.run(() => line.readies.length === 2);
    expect(line.host.stats.stale).toBe(49);
    expect(destination).toEqual(new Uint8Array(200_000));
    expect(line.read(id, 0, 200_000).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });

  it('old data that keeps coming puts the next SYNC off, but the end not for ever', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = (packet, direction) =>
      direction === 'toDevice' || parse(packet).opcode === 0 ? [] : undefined;
    for (let ms = 0; ms < 60_000; ms += 20) {
      line.at(line.now + ms, () =>
        line.device.sendData(Opcode.CHANNEL_READ, 4, {
          remaining: 1,
          next() {
            this.remaining = 0;
            return pattern(20);
          },
        }),
      );
    }
    line.host.resync(line.now, 'timeout');
    line.run(() => line.host.state === 'failed');
    const syncs = line.sent.filter(
      ({ direction, packet }) => direction === 'toDevice' && parse(packet).opcode === 0,
    );
    // The connection's and the resynchronisation's.
    expect(syncs).toHaveLength(2);
    expect(line.now).toBeGreaterThan(30_000);
    expect(line.now).toBeLessThan(31_000);
    expect(line.host.stats.stale).toBeGreaterThan(1_400);
  });

  it("of a read() backend, acks on: the vendor's loop goes on behind the answer; the host gets through", () => {
    const data = pattern(20_000);
    const line = new VirtualLine().connect();
    const id = line.device.register(pieceChannel(data, [512]));
    line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 20_000),
      destination: new Uint8Array(20_000),
    });
    line.runFor(3);
    line.host.resync(line.now, 'timeout');
    line.run(() => line.readies.length === 2);
    expect(line.host.stats.naks).toEqual({ SEQUENCE: 1 });
    expect(line.device.caps).toEqual(line.host.caps);
    expect(line.read(id, 0, 20_000).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });
});

describe('a NAK SEQUENCE', () => {
  it('while nothing is under way starts again, too: its number is used up', () => {
    const line = new VirtualLine().connect();
    line.device.sendStatus(Opcode.PROTO_VERSION, 0, 6);
    line.run();
    expect(line.readies).toEqual([undefined, 'sequence']);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats.resyncs).toBe(1);
  });

  it('to a request: repeated if it may be, else lost', () => {
    for (const [attempts, kind] of [
      [1, 'lost'],
      [2, 'reply'],
    ] as const) {
      const line = new VirtualLine().connect();
      line.run();
      // The device has counted on.
      line.device.sendStatus(0x7f, 0, 1);
      line.run();
      const outcome = line.ask({ opcode: Opcode.PROTO_VERSION, attempts });
      expect(outcome.kind).toBe(kind);
      if (outcome.kind === 'lost') expect(outcome.reason).toBe('sequence');
      expect(line.problems()).toEqual([]);
    }
  });
});

describe('locks', () => {
  it('are released by every SYNC', () => {
    const line = new VirtualLine().connect();
    let locked = false;
    const id = line.device.register({
      name: 'stream',
      flags: 8,
      lock: () => {
        locked = true;
        return true;
      },
      unlock: () => {
        locked = false;
        return true;
      },
    });
    expect(line.ask({ opcode: Opcode.CHANNEL_LOCK, channel: id })).toEqual({ kind: 'ack' });
    expect(locked).toBe(true);
    line.host.resync(line.now, 'timeout');
    line.run(() => line.readies.length === 2);
    expect(locked).toBe(false);
    expect(parse(line.sent.at(-1)!.packet).flags & Flag.ACK).toBe(Flag.ACK);
  });
});
