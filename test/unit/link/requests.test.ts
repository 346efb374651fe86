import { describe, expect, it } from 'vitest';
import { ChannelFlag, ChannelId, Flag, Opcode, Status, statusName } from '../../../src/protocol/constants.js';
import {
  decodeCaps,
  decodeChannelList,
  decodeMemory,
  decodeShape,
  decodeStats,
  decodeSystemInfo,
  decodeVersion,
  decodeWord,
  encodeHalfWord,
  encodeIoctlRequest,
  encodeIoRequest,
} from '../../../src/protocol/index.js';
import type { DeviceChannel } from '../../../src/virtual/device/device-types.js';
import { TEST_INFO, TEST_MEMORY, TEST_VERSION } from '../../fakes/test-identity.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, parse, pattern, sendToHost } from './support.js';

/** A device with one channel of everything, and what was done to it. */
function equipped(ack: boolean): { line: VirtualLine; id: number; calls: unknown[][] } {
  const line = new VirtualLine({ wanted: { ack } }).connect();
  const calls: unknown[][] = [];
  const channel: DeviceChannel = {
    name: 'frame',
    flags: ChannelFlag.READ | ChannelFlag.WRITE,
    poll: () => true,
    size: () => 0xfffffffe,
    shape: () => [25_000, 320, 240, 7],
    readp: (offset, length) => pattern(200).subarray(offset, offset + length),
    write: (offset, data) => {
      calls.push(['write', offset, Array.from(data)]);
      return data.length;
    },
    ioctl: (request, argument) => {
      calls.push(['ioctl', request, Array.from(argument)]);
      return request === 1 ? 0 : -1;
    },
    lock: () => true,
    unlock: () => true,
  };
  return { line, id: line.device.register(channel), calls };
}

/** The payload of a request that must be answered with data. */
function replyOf(line: VirtualLine, opcode: number, channel = 0): Uint8Array {
  const outcome = line.ask({ opcode, channel });
  if (outcome.kind !== 'reply') throw new Error(`ended as ${JSON.stringify(outcome)}`);
  return outcome.payload;
}

describe.each([true, false])('every opcode, acks %s', (ack) => {
  it('PROTO_GET_CAPS, PROTO_STATS, PROTO_VERSION', () => {
    const { line } = equipped(ack);
    expect(decodeCaps(replyOf(line, Opcode.PROTO_GET_CAPS))).toEqual(line.host.caps);
    expect(decodeStats(replyOf(line, Opcode.PROTO_STATS))).toMatchObject({
      checksumErrors: 0,
      sequenceErrors: 0,
    });
    expect(decodeVersion(replyOf(line, Opcode.PROTO_VERSION))).toEqual(TEST_VERSION);
    expect(line.problems()).toEqual([]);
  });

  it('SYS_INFO, SYS_MEMORY', () => {
    const { line } = equipped(ack);
    expect(decodeSystemInfo(replyOf(line, Opcode.SYS_INFO))).toEqual(TEST_INFO);
    expect(decodeMemory(replyOf(line, Opcode.SYS_MEMORY))).toEqual(TEST_MEMORY);
  });

  it('CHANNEL_LIST, POLL, SIZE, SHAPE', () => {
    const { line, id } = equipped(ack);
    expect(decodeChannelList(replyOf(line, Opcode.CHANNEL_LIST))).toEqual([
      { id, flags: 0x23, name: 'frame' },
    ]);
    expect(decodeWord(replyOf(line, Opcode.CHANNEL_POLL), 'mask')).toBe(1 << id);
    expect(decodeWord(replyOf(line, Opcode.CHANNEL_SIZE, id), 'size')).toBe(0xfffffffe);
    expect(decodeShape(replyOf(line, Opcode.CHANNEL_SHAPE, id))).toEqual([25_000, 320, 240, 7]);
  });

  it('CHANNEL_READ, with and without a destination', () => {
    const { line, id } = equipped(ack);
    const { outcome, bytes } = line.read(id, 50, 100);
    expect(outcome).toEqual({ kind: 'read', missing: [] });
    expect(bytes).toEqual(pattern(200).subarray(50, 150));
    const gathered = line.ask({ opcode: Opcode.CHANNEL_READ, channel: id, payload: encodeIoRequest(0, 9) });
    expect(gathered).toEqual({ kind: 'reply', payload: pattern(200).slice(0, 9) });
  });

  it('CHANNEL_WRITE', () => {
    const { line, id, calls } = equipped(ack);
    const payload = encodeIoRequest(16, 3, Uint8Array.of(7, 8, 9));
    expect(line.ask({ opcode: Opcode.CHANNEL_WRITE, channel: id, payload })).toEqual({ kind: 'ack' });
    expect(calls).toEqual([['write', 16, [7, 8, 9]]]);
  });

  it('CHANNEL_IOCTL: 0 is success, anything else FAILED', () => {
    const { line, id, calls } = equipped(ack);
    const ask = (payload: Uint8Array) => line.ask({ opcode: Opcode.CHANNEL_IOCTL, channel: id, payload });
    expect(ask(encodeIoctlRequest(1, Uint8Array.of(5)))).toEqual({ kind: 'ack' });
    expect(ask(encodeIoctlRequest(2))).toEqual({ kind: 'nak', status: Status.FAILED });
    expect(calls).toEqual([
      ['ioctl', 1, [5]],
      ['ioctl', 2, []],
    ]);
  });

  it('CHANNEL_LOCK is allowed once in 10 ms, over all channels; UNLOCK always', () => {
    const { line, id } = equipped(ack);
    const other = line.device.register({ ...bufferChannel(pattern(4), 'other'), lock: () => true });
    const ask = (opcode: number, channel: number) => line.ask({ opcode, channel });
    expect(ask(Opcode.CHANNEL_LOCK, id)).toEqual({ kind: 'ack' });
    expect(ask(Opcode.CHANNEL_LOCK, other)).toEqual({ kind: 'nak', status: Status.BUSY });
    expect(ask(Opcode.CHANNEL_UNLOCK, id)).toEqual({ kind: 'ack' });
    line.runFor(11);
    expect(ask(Opcode.CHANNEL_LOCK, other)).toEqual({ kind: 'ack' });
    expect(ask(Opcode.CHANNEL_UNLOCK, other)).toEqual({ kind: 'nak', status: Status.BUSY });
  });

  it('what a channel lacks, and a channel that there is not', () => {
    const { line } = equipped(ack);
    const bare = line.device.register({ name: 'bare', flags: 0 });
    const invalid = { kind: 'nak', status: Status.INVALID };
    const busy = { kind: 'nak', status: Status.BUSY };
    for (const channel of [bare, 31]) {
      for (const opcode of [Opcode.CHANNEL_SIZE, Opcode.CHANNEL_SHAPE]) {
        expect(line.ask({ opcode, channel })).toEqual(invalid);
      }
      for (const opcode of [Opcode.CHANNEL_READ, Opcode.CHANNEL_WRITE]) {
        expect(line.ask({ opcode, channel, payload: encodeIoRequest(0, 4, new Uint8Array(4)) })).toEqual(
          invalid,
        );
      }
      expect(line.ask({ opcode: Opcode.CHANNEL_IOCTL, channel, payload: encodeIoctlRequest(1) })).toEqual(
        invalid,
      );
      for (const opcode of [Opcode.CHANNEL_LOCK, Opcode.CHANNEL_UNLOCK]) {
        expect(line.ask({ opcode, channel })).toEqual(busy);
      }
    }
    expect(line.ask({ opcode: 0x7f })).toEqual(invalid);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, channel: 3 })).toEqual(invalid);
    expect(line.problems()).toEqual([]);
  });

  it('a write that gives 0, and requests of no bytes', () => {
    const { line, id } = equipped(ack);
    const none = line.device.register({ name: 'none', flags: 2, write: () => 0 });
    const write = (channel: number, payload: Uint8Array) =>
      line.ask({ opcode: Opcode.CHANNEL_WRITE, channel, payload });
    expect(write(none, encodeIoRequest(0, 1, Uint8Array.of(1)))).toEqual({
      kind: 'nak',
      status: Status.FAILED,
    });
    expect(write(id, encodeIoRequest(0, 0))).toEqual({ kind: 'nak', status: Status.INVALID });
    expect(line.read(id, 0, 0).outcome).toEqual({ kind: 'nak', status: Status.INVALID });
  });

  it('readp that has nothing to give', () => {
    const { line } = equipped(ack);
    const empty = line.device.register({ name: 'empty', flags: 1, readp: () => undefined });
    expect(line.read(empty, 0, 10).outcome).toEqual({ kind: 'nak', status: Status.FAILED });
  });
});

describe('requests without an answer', () => {
  it.each([
    [Opcode.SYS_RESET, 'reset'],
    [Opcode.SYS_BOOT, 'bootloader'],
  ])('opcode %i is settled when it has been sent', (opcode, kind) => {
    const resets: string[] = [];
    const line = new VirtualLine({ onReset: (what) => resets.push(what) }).connect();
    const pending = line.submit({ opcode, silent: true });
    expect(pending.outcome).toEqual({ kind: 'ack' });
    line.run();
    expect(resets).toEqual([kind]);
    expect(line.problems()).toEqual([]);
  });
});

describe('built-in channels', () => {
  it("know their ioctls by number and size; a script's channels take any", () => {
    const line = new VirtualLine().connect();
    const done: number[] = [];
    const channel: DeviceChannel = {
      name: 'any',
      flags: 0,
      ioctl: (request) => {
        done.push(request);
        return 0;
      },
    };
    line.device.register({ ...channel, ioctls: new Map([[2, 0]]) }, ChannelId.STDIN);
    line.device.register({ ...channel, ioctls: new Map([[2, 8]]) }, ChannelId.STREAM);
    const dynamic = line.device.register(channel);
    const ask = (id: number, request: number, size: number) =>
      line.ask({
        opcode: Opcode.CHANNEL_IOCTL,
        channel: id,
        payload: encodeIoctlRequest(request, new Uint8Array(size)),
      });
    const invalid = { kind: 'nak', status: Status.INVALID };
    expect(ask(ChannelId.STDIN, 2, 0)).toEqual({ kind: 'ack' });
    expect(ask(ChannelId.STDIN, 2, 4)).toEqual(invalid);
    expect(ask(ChannelId.STDIN, 9, 0)).toEqual(invalid);
    expect(ask(ChannelId.STREAM, 2, 8)).toEqual({ kind: 'ack' });
    expect(ask(ChannelId.STREAM, 2, 4)).toEqual(invalid);
    expect(ask(dynamic, 77, 13)).toEqual({ kind: 'ack' });
    expect(done).toEqual([2, 2, 77]);
  });
});

describe('NAKs', () => {
  const known = Object.values(Status).filter(
    (status) => status !== Status.SUCCESS && status !== Status.SEQUENCE && status !== Status.CHECKSUM,
  );
  it.each([...known, 0, 10, 255, 0xffff])(
    'status %i ends the request, and the next one has the next number',
    (status) => {
      const line = new VirtualLine({ wanted: { ack: false } }).connect();
      line.tamper = (packet, direction) => {
        const { sequence, opcode, flags } = parse(packet);
        if (direction === 'toHost' && opcode === Opcode.PROTO_VERSION && (flags & Flag.NAK) === 0) {
          sendToHost(line, { sequence, channel: 0, flags: Flag.NAK, opcode }, encodeHalfWord(status));
          return [];
        }
        return undefined;
      };
      expect(line.ask({ opcode: Opcode.PROTO_VERSION })).toEqual({ kind: 'nak', status });
      expect(line.ask({ opcode: Opcode.SYS_INFO }).kind).toBe('reply');
      expect(line.host.stats).toMatchObject({ resyncs: 0, naks: { [statusName(status)]: 1 } });
      expect(line.problems()).toEqual([]);
    },
  );

  it('one without a payload counts as UNKNOWN', () => {
    const line = new VirtualLine().connect();
    const pending = line.submit({ opcode: 0x7f });
    line.tamper = (packet, direction) =>
      direction === 'toHost' && parse(packet).flags === Flag.NAK ? [] : undefined;
    sendToHost(line, { sequence: 2, channel: 0, flags: Flag.NAK, opcode: 0x7f });
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome).toEqual({ kind: 'nak', status: Status.UNKNOWN });
  });

  it("one for another request is not taken for this one's", () => {
    const line = new VirtualLine().connect();
    const pending = line.submit({ opcode: Opcode.PROTO_VERSION });
    sendToHost(
      line,
      { sequence: 2, channel: 4, flags: Flag.NAK, opcode: Opcode.CHANNEL_READ },
      encodeHalfWord(1),
    );
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome).toMatchObject({ kind: 'reply' });
    expect(line.host.stats.stale).toBe(1);
  });
});

describe('a NAK of an earlier number', () => {
  it('belongs to an earlier request of the same kind, and is not taken for this one', () => {
    const line = new VirtualLine().connect();
    for (let round = 0; round < 3; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
    // Past the pause, so that the next request is sent at once.
    line.runFor(2);
    const pending = line.submit({ opcode: Opcode.PROTO_VERSION });
    sendToHost(
      line,
      { sequence: 4, channel: 0, flags: Flag.NAK, opcode: Opcode.PROTO_VERSION },
      encodeHalfWord(Status.FAILED),
    );
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome?.kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ stale: 1, resyncs: 0 });
  });
});

describe('bounds', () => {
  it('a payload above the limit is refused before it is sent', () => {
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const before = line.sent.length;
    expect(line.ask({ opcode: Opcode.CHANNEL_WRITE, payload: new Uint8Array(101) })).toEqual({
      kind: 'nak',
      status: Status.OVERFLOW,
    });
    expect(line.sent).toHaveLength(before);
  });

  it('so is a READ of more fragments than the numbers allow', () => {
    const line = new VirtualLine({ wanted: { maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(pattern(6_001)));
    expect(line.read(id, 0, 6_000).outcome).toEqual({ kind: 'read', missing: [] });
    expect(line.read(id, 0, 6_001).outcome).toEqual({ kind: 'nak', status: Status.OVERFLOW });
  });

  it('1,024 requests may wait; one more is settled at once', () => {
    const line = new VirtualLine().connect();
    const all = Array.from({ length: 1_026 }, () => line.submit({ opcode: Opcode.PROTO_VERSION }));
    // One is under way, 1,024 wait.
    expect(all[1_024]!.outcome).toBeUndefined();
    expect(all[1_025]!.outcome).toEqual({ kind: 'lost', reason: 'closed' });
    line.run(() => all.every(({ outcome }) => outcome !== undefined));
    expect(all.filter(({ outcome }) => outcome?.kind === 'reply')).toHaveLength(1_025);
    expect(line.problems()).toEqual([]);
  });

  it('a reply that goes on for ever is never taken for a whole one', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const pending = line.submit({ opcode: Opcode.CHANNEL_LIST });
    line.tamper = (packet, direction) =>
      direction === 'toHost' && parse(packet).opcode === Opcode.CHANNEL_LIST ? [] : undefined;
    for (let index = 0; index < 40; index++) {
      const flags = index === 39 ? 0 : Flag.FRAGMENT;
      const header = { sequence: 2 + index, channel: 0, flags, opcode: Opcode.CHANNEL_LIST };
      sendToHost(line, header, new Uint8Array(4_000));
    }
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome).toEqual({ kind: 'lost', reason: 'timeout' });
  });
});

describe('an end', () => {
  it('settles the request under way and those that wait, once, as lost', () => {
    const line = new VirtualLine().connect();
    const id = line.device.register(bufferChannel(pattern(20_000)));
    const destination = new Uint8Array(20_000);
    const reading = line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 20_000),
      destination,
    });
    const waiting = line.submit({ opcode: Opcode.PROTO_VERSION });
    line.runFor(1);
    line.host.close();
    expect(reading.outcome).toEqual({ kind: 'lost', reason: 'closed' });
    expect(waiting.outcome).toEqual({ kind: 'lost', reason: 'closed' });
    expect(line.host.deadline()).toBeUndefined();
    line.host.close();
    line.runFor(20_000);
    expect(line.problems()).toEqual([]);
  });

  it('requests after it are lost at once, and nothing is sent any more, whatever comes', () => {
    const line = new VirtualLine().connect();
    line.host.close();
    const before = line.sent.length;
    expect(line.ask({ opcode: Opcode.PROTO_VERSION })).toEqual({ kind: 'lost', reason: 'closed' });
    line.host.resync(line.now, 'timeout');
    sendToHost(
      line,
      { sequence: 2, channel: 0, flags: Flag.EVENT | Flag.ACK_REQ, opcode: Opcode.SYS_EVENT },
      encodeHalfWord(2),
    );
    sendToHost(
      line,
      { sequence: 2, channel: 4, flags: Flag.ACK_REQ, opcode: Opcode.CHANNEL_READ },
      pattern(9),
    );
    line.runFor(20_000);
    expect(line.sent).toHaveLength(before);
    expect(line.events).toEqual([]);
  });
});
