import { describe, expect, it } from 'vitest';
import { ChannelFlag, Flag, Opcode, Status } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, missingOf, once, parse, pattern, pieceChannel, wrongBytes } from './support.js';

const LIMITS = [50, 52, 53, 498, 512, 4082, 8178];

describe.each([true, false])('readp channels, acks %s', (ack) => {
  it.each(LIMITS)('replies of every number of fragments at %i bytes a payload', (limit) => {
    const line = new VirtualLine({ wanted: { ack, maxPayload: limit }, devicePayload: limit }).connect();
    const data = pattern(60 * limit);
    const id = line.device.register(bufferChannel(data));
    for (const length of [
      1,
      limit - 1,
      limit,
      limit + 1,
      2 * limit,
      10 * limit + 7,
      59 * limit + 1,
      60 * limit,
    ]) {
      const offset = data.length - length;
      const { outcome, bytes } = line.read(id, offset, length);
      expect(outcome).toEqual({ kind: 'read', missing: [] });
      expect(Buffer.compare(bytes, data.subarray(offset))).toBe(0);
    }
    expect(line.host.stats).toMatchObject({ resyncs: 0, timeouts: 0, stale: 0, fragmentsLost: 0 });
    expect(line.problems()).toEqual([]);
  });

  it('the number wraps from 255 to 0 in the middle of a reply', () => {
    const line = new VirtualLine({ wanted: { ack, maxPayload: 52 } }).connect();
    const data = pattern(40 * 52);
    const id = line.device.register(bufferChannel(data));
    for (let round = 0; round < 20; round++) {
      expect(line.read(id, 0, data.length).bytes).toEqual(data);
    }
    const numbers = line.sent
      .filter(({ direction }) => direction === 'toHost')
      .map(({ packet }) => parse(packet).sequence);
    expect(numbers.filter((number) => number === 255).length).toBeGreaterThanOrEqual(3);
  });

  it('READ beyond the buffer: the device sends foreign bytes with good CRCs, exactly as many as asked', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const data = pattern(100);
    const id = line.device.register(bufferChannel(data));
    const { outcome, bytes } = line.read(id, 40, 200);
    expect(outcome).toEqual({ kind: 'read', missing: [] });
    expect(bytes.subarray(0, 60)).toEqual(data.subarray(40));
    expect(bytes.subarray(60)).toEqual(new Uint8Array(140).fill(0xa5));
  });

  it('READ of two gigabytes, which crashes the real device, is refused', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const id = line.device.register(bufferChannel(pattern(100)));
    const payload = encodeIoRequest(0, 0x7fffffff);
    expect(line.ask({ opcode: Opcode.CHANNEL_READ, channel: id, payload })).toEqual({
      kind: 'nak',
      status: Status.INVALID,
    });
  });
});

/** Piece sizes that a backend gives, over and over; the firmware asks for at most 512 bytes, and one payload. */
const SIZES: [name: string, sizes: number[]][] = [
  ['full', [512]],
  ['one byte', [1]],
  ['odd', [3, 500, 1, 511, 77]],
  ['regular first, then short', [512, 512, 100]],
  ['short first, then regular', [100, 512]],
];

describe.each([true, false])('read() backends, acks %s', (ack) => {
  for (const limit of [52, 498, 512, 4082]) {
    it.each(SIZES)(`give pieces that are %s, payload limit ${limit}`, (_name, sizes) => {
      const line = new VirtualLine({ wanted: { ack, maxPayload: limit } }).connect();
      const data = pattern(2_500);
      const id = line.device.register(pieceChannel(data, sizes));
      for (const [offset, length] of [
        [0, 2_500],
        [11, 700],
        [0, 512],
        [3, 1],
      ] as const) {
        const { outcome, bytes } = line.read(id, offset, length);
        expect(missingOf(outcome)).toEqual([]);
        expect(Buffer.compare(bytes, data.subarray(offset, offset + length))).toBe(0);
      }
      expect(line.host.stats.resyncs).toBe(0);
      expect(line.problems()).toEqual([]);
    });
  }

  it('give more pieces than there are numbers', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const data = pattern(240_000);
    const id = line.device.register(pieceChannel(data, [512]));
    const { outcome, bytes } = line.read(id, 0, data.length);
    expect(missingOf(outcome)).toEqual([]);
    expect(Buffer.compare(bytes, data)).toBe(0);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats.resyncs).toBe(0);
  });

  it('that fail at once are NAKed FAILED', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const id = line.device.register({ name: 'bad', flags: ChannelFlag.READ, read: () => undefined });
    expect(line.read(id, 0, 100).outcome).toEqual({ kind: 'nak', status: Status.FAILED });
  });

  it.each([1, 5, 300])(
    'that fail after %i pieces: the NAK decides, and the next request has the next number',
    (pieces) => {
      const line = new VirtualLine({ wanted: { ack } }).connect();
      let left = pieces;
      const id = line.device.register({
        name: 'stdout',
        flags: ChannelFlag.READ,
        read: (_offset, length) => (left-- > 0 ? new Uint8Array(length) : undefined),
      });
      expect(line.read(id, 0, 512 * pieces + 100).outcome).toEqual({ kind: 'nak', status: Status.FAILED });
      expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
      expect(line.host.stats.resyncs).toBe(0);
      expect(line.problems()).toEqual([]);
    },
  );
});

describe('a lost piece of a read() backend, acks off', () => {
  /** Every choice of lost pieces: nothing that is not reported missing may be wrong. */
  it.each(SIZES.flatMap(([name, sizes]) => [498, 4_082].map((limit) => [name, limit, sizes] as const)))(
    'leaves nothing wrong that is not reported missing: %s, payload limit %d',
    (_name, maxPayload, sizes) => {
      const data = pattern(2_500);
      for (let lost = 1; lost < 64; lost++) {
        const line = new VirtualLine({ wanted: { ack: false, maxPayload } }).connect();
        const id = line.device.register(pieceChannel(data, sizes));
        let index = 0;
        line.tamper = (packet, direction) => {
          if (direction === 'toDevice' || parse(packet).opcode !== Opcode.CHANNEL_READ) return undefined;
          return ((lost >> (index++ % 6)) & 1) === 1 ? [] : undefined;
        };
        const { outcome, bytes } = line.read(id, 0, data.length);
        if (outcome.kind === 'read') expect(wrongBytes(bytes, data, outcome.missing), `lost ${lost}`).toBe(0);
        line.tamper = undefined;
        expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 3 }).kind).toBe('reply');
        expect(line.problems()).toEqual([]);
      }
    },
  );

  it('ends the READ as lost, and the link starts again: how many pieces there were is not known', () => {
    const data = pattern(1_000);
    for (const attempts of [1, 2]) {
      const line = new VirtualLine({ wanted: { ack: false } }).connect();
      const id = line.device.register(pieceChannel(data, [100]));
      line.tamper = once(
        ({ opcode, sequence }, direction) =>
          direction === 'toHost' && opcode === Opcode.CHANNEL_READ && sequence === 5,
      );
      const { outcome, bytes } = line.read(id, 0, 1_000, attempts);
      expect(outcome).toEqual(
        attempts === 1 ? { kind: 'lost', reason: 'timeout' } : { kind: 'read', missing: [] },
      );
      if (attempts === 2) expect(bytes).toEqual(data);
      expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
      expect(line.host.stats).toMatchObject({ resyncs: 1, naks: {} });
      expect(line.problems()).toEqual([]);
    }
  });

  it.each([
    [[0], [{ from: 0, to: 512 }]],
    [[7], [{ from: 3_584, to: 4_096 }]],
    [
      [3, 4, 20],
      [
        { from: 1_536, to: 2_560 },
        { from: 10_240, to: 10_752 },
      ],
    ],
    [[48], [{ from: 24_576, to: 25_000 }]],
  ])('of 512 bytes, pieces %j: they alone are missing, and the link goes on', (lost, expected) => {
    const data = pattern(25_000);
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const id = line.device.register(pieceChannel(data, [512]));
    let index = 0;
    line.tamper = (packet, direction) =>
      direction === 'toHost' && parse(packet).opcode === Opcode.CHANNEL_READ && lost.includes(index++)
        ? []
        : undefined;
    const { outcome, bytes } = line.read(id, 0, data.length);
    expect(outcome).toEqual({ kind: 'read', missing: expected, inSmallPieces: true });
    expect(wrongBytes(bytes, data, expected)).toBe(0);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats).toMatchObject({ resyncs: 0, fragmentsLost: lost.length });
    expect(line.problems()).toEqual([]);
  });

  it('of more pieces than a late one could be told from: without the last one the link starts again', () => {
    const data = pattern(100_000);
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const id = line.device.register(pieceChannel(data, [512]));
    line.tamper = (packet, direction) => {
      const { opcode, flags } = parse(packet);
      return direction === 'toHost' && opcode === Opcode.CHANNEL_READ && flags === 0 ? [] : undefined;
    };
    expect(line.read(id, 0, data.length).outcome.kind).toBe('lost');
    line.run(() => line.readies.length === 2);
    expect(line.readies).toEqual([undefined, 'timeout']);
  });

  it('two lost pieces that look like fragments of a readp reply', () => {
    // Pieces of 498, 100, 498, 498, 498 and 398 bytes, where a readp reply would have five of 498.
    const data = pattern(2_490);
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 498 } }).connect();
    const id = line.device.register(pieceChannel(data, [498, 100, 498, 498, 498, 398]));
    let index = 0;
    line.tamper = (_packet, direction) => {
      if (direction === 'toDevice') return undefined;
      return [1, 4, 5].includes(index++) ? [] : undefined;
    };
    const { outcome, bytes } = line.read(id, 0, data.length);
    expect(missingOf(outcome)).toEqual([{ from: 498, to: 2_490 }]);
    expect(wrongBytes(bytes, data, missingOf(outcome))).toBe(0);
  });
});

describe('what is missing', () => {
  /** Six fragments, those in `lost` dropped. */
  function readWithout(lost: number[]): { missing: unknown; wrong: number; line: VirtualLine } {
    const data = pattern(5 * 100 + 50);
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(data));
    let index = 0;
    line.tamper = (_packet, direction) => (direction === 'toHost' && lost.includes(index++) ? [] : undefined);
    const { outcome, bytes } = line.read(id, 0, data.length);
    line.tamper = undefined;
    return { missing: missingOf(outcome), wrong: wrongBytes(bytes, data, missingOf(outcome)), line };
  }

  it.each([
    [[0], [{ from: 0, to: 100 }]],
    [[2], [{ from: 200, to: 300 }]],
    [[1, 2], [{ from: 100, to: 300 }]],
    [
      [0, 2, 4],
      [
        { from: 0, to: 100 },
        { from: 200, to: 300 },
        { from: 400, to: 500 },
      ],
    ],
    [[5], [{ from: 500, to: 550 }]],
    // Without the last fragment nothing behind the first gap can be told to be in its place.
    [[1, 5], [{ from: 100, to: 550 }]],
    [[3, 4, 5], [{ from: 300, to: 550 }]],
  ])('fragments %j lost', (lost, expected) => {
    const { missing, wrong, line } = readWithout(lost);
    expect(missing).toEqual(expected);
    expect(wrong).toBe(0);
    expect(line.host.stats).toMatchObject({ fragmentsLost: lost.length, resyncs: 0 });
    // The device has counted all six.
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.host.stats.resyncs).toBe(0);
    expect(line.problems()).toEqual([]);
  });

  it('all of them lost: the READ is lost, the link starts again', () => {
    const data = pattern(550);
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(
      ({ opcode }, direction) => direction === 'toHost' && opcode === Opcode.CHANNEL_READ,
      () => [],
      6,
    );
    expect(line.read(id, 0, 550).outcome).toEqual({ kind: 'lost', reason: 'timeout' });
    expect(line.readies).toEqual([undefined]);
    line.run(() => line.readies.length === 2);
    expect(line.readies).toEqual([undefined, 'timeout']);
    expect(line.read(id, 0, 550).bytes).toEqual(data);
    expect(line.problems()).toEqual([]);
  });

  it('a damaged fragment is missing, whatever its bytes did to the buffer', () => {
    const data = pattern(550);
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(data));
    line.tamper = once(
      ({ flags, opcode, sequence }, direction) =>
        direction === 'toHost' &&
        opcode === Opcode.CHANNEL_READ &&
        (flags & Flag.FRAGMENT) !== 0 &&
        sequence === 4,
      (packet) => {
        const damaged = packet.slice();
        damaged[30] = damaged[30]! ^ 0x40;
        return [damaged];
      },
    );
    const { outcome, bytes } = line.read(id, 0, 550);
    expect(missingOf(outcome)).toEqual([{ from: 200, to: 300 }]);
    expect(wrongBytes(bytes, data, missingOf(outcome))).toBe(0);
    expect(line.host.stats.payloadErrors).toBe(1);
  });

  it('fragments that come twice are used once', () => {
    const data = pattern(550);
    const line = new VirtualLine({
      wanted: { ack: false, maxPayload: 100 },
      faults: { toHost: { double: 1 } },
    });
    line.host.connect(0);
    line.run(() => line.host.state === 'ready');
    const id = line.device.register(bufferChannel(data));
    for (let round = 0; round < 5; round++) expect(line.read(id, 0, 550).bytes).toEqual(data);
    expect(line.host.stats.resyncs).toBe(0);
    expect(line.host.stats.stale).toBeGreaterThanOrEqual(5 * 6);
    expect(line.problems()).toEqual([]);
  });
});
