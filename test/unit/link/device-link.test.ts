import { describe, expect, it } from 'vitest';
import { ChannelFlag, ChannelId, Flag, Opcode, Status } from '../../../src/protocol/constants.js';
import {
  decodeChannelList,
  decodeStats,
  encodeCaps,
  encodeHalfWord,
  encodeIoRequest,
} from '../../../src/protocol/index.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import { DeviceLink } from '../../../src/virtual/device/device-link.js';
import { testIdentity } from '../../fakes/test-identity.js';
import { bufferChannel, flipped, parse, pattern, pieceChannel, type SeenPacket } from './support.js';

/** A device machine and what it sends; the test is its host. */
class Bench {
  readonly sent: SeenPacket[] = [];
  readonly raw: Uint8Array[] = [];
  readonly device: DeviceLink;
  now = 0;

  constructor(maxPayload = 4082, restMs = 0) {
    this.device = new DeviceLink({
      identity: testIdentity(),
      maxPayload,
      restMs,
      transmit: (packet) => {
        this.raw.push(packet.slice());
        this.sent.push(parse(packet.slice()));
      },
    });
  }

  /** Sends a request and returns what came of it. */
  ask(sequence: number, opcode: number, channel = 0, payload?: Uint8Array, flags = 0): SeenPacket[] {
    return this.push(encodePacket({ sequence, channel, flags, opcode }, payload));
  }

  push(bytes: Uint8Array): SeenPacket[] {
    const before = this.sent.length;
    this.device.receive(bytes, this.now);
    return this.sent.slice(before);
  }

  tick(ms: number): SeenPacket[] {
    const before = this.sent.length;
    this.now += ms;
    this.device.tick(this.now);
    return this.sent.slice(before);
  }

  /** SYNC, then the capabilities without acks. */
  withoutAcks(): this {
    this.ask(0, Opcode.PROTO_SYNC);
    this.ask(0, Opcode.PROTO_SET_CAPS, 0, NO_ACKS);
    this.sent.length = 0;
    return this;
  }
}

const NO_ACKS = encodeCaps({ crc: true, sequence: true, ack: false, events: true, maxPayload: 4082 });
const SYNC = encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC });
const nak = (packet: SeenPacket | undefined): number | undefined =>
  packet && (packet.flags & Flag.NAK) !== 0 ? packet.payload[0]! | (packet.payload[1]! << 8) : undefined;

describe('numbers', () => {
  it('every packet uses one up, fragments and NAKs too; events do not', () => {
    const bench = new Bench().withoutAcks();
    const id = bench.device.register(bufferChannel(pattern(9_000)));
    expect(bench.device.sequence).toBe(1);
    expect(
      bench.ask(1, Opcode.CHANNEL_READ, id, encodeIoRequest(0, 9_000)).map(({ sequence }) => sequence),
    ).toEqual([1, 2, 3]);
    bench.device.sendEvent(id, 5, false, 0);
    expect(bench.sent.at(-1)).toMatchObject({ sequence: 4, flags: Flag.EVENT });
    expect(nak(bench.ask(4, 0x7f)[0])).toBe(Status.INVALID);
    expect(bench.device.sequence).toBe(5);
  });

  it('a repeated request is not answered again: NAK SEQUENCE, which uses a number up itself', () => {
    const bench = new Bench().withoutAcks();
    bench.ask(1, Opcode.PROTO_VERSION);
    const [refusal] = bench.ask(1, Opcode.PROTO_VERSION);
    expect(nak(refusal)).toBe(Status.SEQUENCE);
    expect(refusal).toMatchObject({ sequence: 2, opcode: Opcode.PROTO_VERSION });
    expect(bench.device.sequence).toBe(3);
    expect(bench.device.stats.sequenceErrors).toBe(1);
  });

  it('are not looked at once sequence checking is negotiated off', () => {
    const bench = new Bench();
    bench.ask(0, Opcode.PROTO_SYNC);
    bench.ask(
      0,
      Opcode.PROTO_SET_CAPS,
      0,
      encodeCaps({ crc: true, sequence: false, ack: false, events: true, maxPayload: 4082 }),
    );
    expect(bench.ask(77, Opcode.PROTO_VERSION)[0]).toMatchObject({ sequence: 1, length: 16 });
  });
});

describe('what is wrong with a request', () => {
  it('a bad header CRC: skipped without a word', () => {
    const bench = new Bench().withoutAcks();
    const packet = encodePacket({ sequence: 1, channel: 0, flags: 0, opcode: Opcode.PROTO_VERSION });
    for (let bit = 0; bit < 80; bit++) expect(bench.push(flipped(packet, bit))).toEqual([]);
    expect(bench.push(packet)).toHaveLength(1);
  });

  it('a bad payload CRC: NAK CHECKSUM, unread', () => {
    const bench = new Bench().withoutAcks();
    const written: Uint8Array[] = [];
    const id = bench.device.register({ name: 'in', flags: 2, write: (_offset, data) => written.push(data) });
    const packet = encodePacket(
      { sequence: 1, channel: id, flags: 0, opcode: Opcode.CHANNEL_WRITE },
      encodeIoRequest(0, 1, pattern(1)),
    );
    expect(nak(bench.push(flipped(packet, 90))[0])).toBe(Status.CHECKSUM);
    expect(written).toEqual([]);
    expect(bench.device.stats.checksumErrors).toBe(1);
  });

  it('longer than the limit: NAK OVERFLOW at its header, the rest is noise', () => {
    const bench = new Bench(100).withoutAcks();
    const limit = bench.device.options.maxPayload;
    const replies = bench.ask(0, Opcode.CHANNEL_WRITE, 1, new Uint8Array(limit + 1));
    expect(replies.map(nak)).toEqual([Status.OVERFLOW]);
    expect(bench.ask(bench.device.sequence, Opcode.PROTO_STATS)).toHaveLength(1);
  });

  it('cut short: it swallows what follows until there are enough bytes, then NAK CHECKSUM', () => {
    const bench = new Bench().withoutAcks();
    const write = encodePacket(
      { sequence: 1, channel: 1, flags: 0, opcode: Opcode.CHANNEL_WRITE },
      pattern(100),
    );
    expect(bench.push(write.subarray(0, 60))).toEqual([]);
    expect(bench.ask(1, Opcode.PROTO_VERSION)).toEqual([]);
    expect(bench.tick(60_000)).toEqual([]);
    expect(bench.push(new Uint8Array(64)).map(nak)).toEqual([Status.CHECKSUM]);
  });

  it('cut short: a SYNC that does not fill it is found inside', () => {
    const bench = new Bench().withoutAcks();
    const write = encodePacket(
      { sequence: 1, channel: 1, flags: 0, opcode: Opcode.CHANNEL_WRITE },
      pattern(100),
    );
    for (let kept = 10; kept < 100; kept++) {
      bench.push(write.subarray(0, kept));
      expect(bench.push(SYNC).map(({ opcode, flags }) => [opcode, flags])).toEqual([
        [Opcode.PROTO_SYNC, Flag.ACK],
      ]);
      expect(bench.device.caps.ack).toBe(true);
      bench.withoutAcks();
    }
  });

  it.each([
    ['too small', 49],
    ['larger than its buffer', 4083],
  ])('capabilities with a payload limit %s: NAK INVALID, and nothing changes', (_name, maxPayload) => {
    const bench = new Bench();
    bench.ask(0, Opcode.PROTO_SYNC);
    const caps = encodeCaps({ crc: false, sequence: false, ack: false, events: false, maxPayload });
    expect(nak(bench.ask(0, Opcode.PROTO_SET_CAPS, 0, caps)[0])).toBe(Status.INVALID);
    expect(bench.device.caps).toEqual({
      crc: true,
      sequence: true,
      ack: true,
      events: true,
      maxPayload: 4082,
    });
    expect(nak(bench.ask(1, Opcode.PROTO_SET_CAPS, 0, caps.subarray(0, 15))[0])).toBe(Status.INVALID);
  });

  it('capabilities are acknowledged under the old ones', () => {
    const bench = new Bench();
    const caps = encodeCaps({ crc: false, sequence: true, ack: false, events: true, maxPayload: 64 });
    bench.ask(0, Opcode.PROTO_SET_CAPS, 0, caps);
    const header = { sequence: 0, channel: 0, flags: Flag.ACK, opcode: Opcode.PROTO_SET_CAPS };
    expect(bench.raw[0]).toEqual(encodePacket(header));
    bench.ask(1, Opcode.PROTO_VERSION);
    expect(bench.raw[1]!.subarray(8, 10)).toEqual(new Uint8Array(2));
  });
});

describe('waiting for an ACK', () => {
  it('acts on nothing but that ACK, and keeps a request for later', () => {
    const bench = new Bench();
    expect(bench.ask(0, Opcode.PROTO_VERSION)).toMatchObject([{ flags: Flag.ACK_REQ }]);
    expect(bench.ask(1, Opcode.PROTO_STATS)).toEqual([]);
    expect(bench.ask(9, Opcode.PROTO_VERSION, 0, undefined, Flag.ACK)).toEqual([]);
    expect(bench.device.busy).toBe(true);
    expect(bench.ask(0, Opcode.PROTO_VERSION, 0, undefined, Flag.ACK)).toMatchObject([
      { opcode: Opcode.PROTO_STATS, sequence: 1 },
    ]);
  });

  it('sends again after 500, 1,000 and 2,000 ms with RTX set, and resets itself 4,000 ms later', () => {
    const bench = new Bench();
    bench.ask(
      0,
      Opcode.PROTO_SET_CAPS,
      0,
      encodeCaps({ crc: true, sequence: true, ack: true, events: true, maxPayload: 64 }),
    );
    bench.ask(1, Opcode.PROTO_VERSION);
    for (const wait of [500, 1_000, 2_000]) {
      expect(bench.tick(wait - 1)).toEqual([]);
      expect(bench.tick(1)).toMatchObject([{ sequence: 1, flags: Flag.ACK_REQ | Flag.RTX }]);
    }
    expect(bench.device.deadline()).toBe(bench.now + 4_000);
    expect(bench.tick(3_999)).toEqual([]);
    expect(bench.device.caps.maxPayload).toBe(64);
    expect(bench.tick(1)).toEqual([]);
    expect(bench.device.busy).toBe(false);
    expect(bench.device.caps.maxPayload).toBe(4082);
    expect(bench.device.sequence).toBe(0);
    expect(bench.device.deadline()).toBeUndefined();
  });

  it("a read() backend's next piece is sent behind the reset, and behind SYNC's answer", () => {
    const bench = new Bench();
    const id = bench.device.register(pieceChannel(pattern(1_500), [512]));
    bench.ask(0, Opcode.CHANNEL_READ, id, encodeIoRequest(0, 1_500));
    for (const wait of [500, 1_000, 2_000]) bench.tick(wait);
    const [second] = bench.tick(4_000);
    expect(second).toMatchObject({ sequence: 0, opcode: Opcode.CHANNEL_READ, length: 512 });
    expect(second?.payload).toEqual(pattern(1_500).subarray(512, 1_024));
    const [answer, third] = bench.push(SYNC);
    expect(answer).toMatchObject({ sequence: 0, opcode: Opcode.PROTO_SYNC });
    expect(third).toMatchObject({ sequence: 0, opcode: Opcode.CHANNEL_READ, length: 476 });
  });

  it('a repeated packet has a new header CRC and the same payload', () => {
    const bench = new Bench();
    bench.ask(0, Opcode.PROTO_VERSION);
    bench.tick(500);
    const [first, again] = bench.raw;
    expect(again!.subarray(10)).toEqual(first!.subarray(10));
    expect(again).toEqual(
      encodePacket(
        { sequence: 0, channel: 0, flags: 12, opcode: Opcode.PROTO_VERSION },
        first!.slice(10, 26),
      ),
    );
  });

  it('a NAK makes it repeat three times at once and reset itself: hosts must never send one', () => {
    const bench = new Bench();
    bench.ask(0, Opcode.PROTO_VERSION);
    const replies = bench.ask(0, Opcode.PROTO_VERSION, 0, undefined, Flag.NAK);
    expect(replies.map(({ flags }) => flags)).toEqual(new Array(3).fill(Flag.ACK_REQ | Flag.RTX));
    expect(bench.device.busy).toBe(false);
    expect(bench.device.sequence).toBe(0);
  });

  it('SYNC ends it, among other bytes too', () => {
    const bench = new Bench();
    bench.ask(0, Opcode.PROTO_VERSION);
    expect(bench.push(Uint8Array.from([0xaa, 0xaa, 0xd5, 9, ...SYNC]))).toMatchObject([
      { opcode: Opcode.PROTO_SYNC, sequence: 0, flags: Flag.ACK },
    ]);
    expect(bench.device.busy).toBe(false);
  });

  it('with CRCs negotiated off the ACK has none either', () => {
    const bench = new Bench();
    bench.ask(
      0,
      Opcode.PROTO_SET_CAPS,
      0,
      encodeCaps({ crc: false, sequence: true, ack: true, events: true, maxPayload: 4082 }),
    );
    bench.push(
      encodePacket({ sequence: 1, channel: 0, flags: 0, opcode: Opcode.PROTO_VERSION }, undefined, false),
    );
    expect(bench.device.busy).toBe(true);
    bench.push(
      encodePacket(
        { sequence: 1, channel: 0, flags: Flag.ACK, opcode: Opcode.PROTO_VERSION },
        undefined,
        false,
      ),
    );
    expect(bench.device.busy).toBe(false);
  });

  it('bytes beyond its buffer are lost; a SYNC after them is not', () => {
    const bench = new Bench(100);
    bench.ask(0, Opcode.PROTO_VERSION);
    bench.push(pattern(10_000));
    expect(bench.push(SYNC)).toMatchObject([{ opcode: Opcode.PROTO_SYNC, flags: Flag.ACK }]);
  });
});

describe('the rest between an ACK and the next request', () => {
  const request = (sequence: number) =>
    encodePacket({ sequence, channel: 0, flags: 0, opcode: Opcode.PROTO_VERSION });
  const ack = encodePacket({ sequence: 0, channel: 0, flags: Flag.ACK, opcode: Opcode.PROTO_VERSION });

  it('holds a request that came with the ACK, and looks at it when it is over', () => {
    const bench = new Bench(4082, 2);
    bench.push(request(0));
    bench.tick(1);
    expect(bench.push(Buffer.concat([ack, request(1)]))).toEqual([]);
    expect(bench.device.busy).toBe(false);
    expect(bench.device.deadline()).toBe(3);
    expect(bench.tick(1)).toEqual([]);
    expect(bench.tick(1)).toMatchObject([{ opcode: Opcode.PROTO_VERSION, sequence: 1 }]);
    expect(bench.device.busy).toBe(true);
  });

  it('ends when the buffer is full', () => {
    const bench = new Bench(50, 2);
    bench.push(request(0));
    const answers = bench.push(Buffer.concat([ack, request(1), Buffer.alloc(100)]));
    expect(answers).toMatchObject([{ opcode: Opcode.PROTO_VERSION, sequence: 1 }]);
  });
});

describe('ACKs without a wait', () => {
  it('are ignored, whatever their number', () => {
    const bench = new Bench().withoutAcks();
    expect(bench.ask(200, Opcode.CHANNEL_READ, 5, undefined, Flag.ACK)).toEqual([]);
    expect(bench.ask(200, Opcode.CHANNEL_READ, 5, encodeHalfWord(1), Flag.NAK)).toEqual([]);
    expect(bench.device.sequence).toBe(1);
  });
});

describe('channels', () => {
  it('take the first free id, and are announced', () => {
    const bench = new Bench();
    for (const id of [ChannelId.TRANSPORT, ChannelId.STDIN, ChannelId.STDOUT, ChannelId.STREAM]) {
      expect(bench.device.register({ name: `c${id}`, flags: 1 }, id)).toBe(id);
    }
    expect(bench.sent).toEqual([]);
    expect(bench.device.register(bufferChannel(pattern(1)))).toBe(4);
    expect(bench.sent).toMatchObject([{ opcode: Opcode.SYS_EVENT, channel: 0, flags: Flag.EVENT }]);
    // A script started again, the old one's channel still there: the highest id is the living one.
    expect(bench.device.register(bufferChannel(pattern(1)))).toBe(5);
    bench.withoutAcks();
    const list = decodeChannelList(bench.ask(1, Opcode.CHANNEL_LIST)[0]!.payload);
    expect(list.map(({ id, name, flags }) => [id, name, flags & ChannelFlag.DYNAMIC])).toEqual([
      [0, 'c0', 0],
      [1, 'c1', 0],
      [2, 'c2', 0],
      [3, 'c3', 0],
      [4, 'frame', 32],
      [5, 'frame', 32],
    ]);
    bench.device.unregisterDynamic();
    expect(bench.device.register(bufferChannel(pattern(1)))).toBe(4);
  });

  it('are 32 at most', () => {
    const bench = new Bench();
    for (let id = 1; id < 32; id++) expect(bench.device.register(bufferChannel(pattern(1)))).toBe(id);
    expect(bench.device.register(bufferChannel(pattern(1)))).toBe(-1);
    expect(bench.device.register(bufferChannel(pattern(1)), 32)).toBe(-1);
    bench.withoutAcks();
    expect(decodeChannelList(bench.ask(1, Opcode.CHANNEL_LIST)[0]!.payload)).toHaveLength(31);
  });

  it('poll is a bit for each id, the highest included', () => {
    const bench = new Bench();
    bench.device.register({ name: 'top', flags: 0, poll: () => true }, 31);
    bench.device.register({ name: 'low', flags: 0, poll: () => true }, 2);
    bench.device.register({ name: 'no', flags: 0, poll: () => false }, 3);
    bench.withoutAcks();
    expect(Array.from(bench.ask(1, Opcode.CHANNEL_POLL)[0]!.payload)).toEqual([4, 0, 0, 0x80]);
  });
});

describe('no one connected', () => {
  it('nothing is sent, received or reported as sent', () => {
    const bench = new Bench();
    bench.device.active = false;
    expect(bench.device.sendEvent(0, 1, false, 0)).toBe(false);
    expect(bench.push(SYNC)).toEqual([]);
    bench.device.active = true;
    expect(bench.push(SYNC)).toHaveLength(1);
  });
});

describe('statistics', () => {
  it('count what the firmware counts', () => {
    const bench = new Bench().withoutAcks();
    bench.device.sendEvent(3, 1, false, 0);
    bench.ask(1, Opcode.PROTO_VERSION);
    bench.ask(1, Opcode.PROTO_VERSION);
    const stats = decodeStats(bench.ask(3, Opcode.PROTO_STATS)[0]!.payload);
    // Sent: SYNC's and SET_CAPS' ACKs, VERSION, the NAK. Received: SYNC, SET_CAPS, VERSION, STATS.
    expect(stats).toEqual({
      sentPackets: 4,
      receivedPackets: 4,
      checksumErrors: 0,
      sequenceErrors: 1,
      retransmits: 0,
      transportErrors: 0,
      sentEvents: 1,
    });
  });
});
