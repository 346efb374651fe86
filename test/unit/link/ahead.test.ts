/** Requests that are sent before the replies of those before them have come: acks off, from `readp` backends. */
import { describe, expect, it } from 'vitest';
import { Opcode, Status } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { evenly } from '../../fakes/line-faults.js';
import { type Pending, VirtualLine, type VirtualLineOptions } from '../../fakes/virtual-line.js';
import { bufferChannel, isAck, missingOf, once, parse, pattern, wrongBytes } from './support.js';

const FRAME = 25_000;
const DATA = pattern(FRAME);

interface Setting {
  readonly line: VirtualLine;
  readonly id: number;
  /** READs that the device has carried out: their lengths. */
  readonly done: number[];
  read(length: number, offset?: number, settle?: () => void): Pending;
}

function setUp(options: VirtualLineOptions = {}): Setting {
  const line = new VirtualLine({ wanted: { ack: false }, ...options }).connect();
  const done: number[] = [];
  const channel = bufferChannel(DATA);
  const id = line.device.register({
    ...channel,
    readp: (offset, length) => {
      if (offset >= FRAME) return undefined;
      done.push(length);
      return channel.readp?.(offset, length);
    },
  });
  const read = (length: number, offset = 0, settle: () => void = () => undefined): Pending =>
    line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(offset, length),
      destination: new Uint8Array(length),
      ahead: true,
      settle,
    });
  line.sent.length = 0;
  return { line, id, done, read };
}

const over = (line: VirtualLine, ...pending: Pending[]): void =>
  line.run(() => pending.every(({ outcome }) => outcome !== undefined));

function expectWhole({ outcome, settledBytes }: Pending, offset = 0): void {
  expect(outcome).toEqual({ kind: 'read', missing: [] });
  expect(Buffer.compare(settledBytes!, DATA.subarray(offset, offset + settledBytes!.length))).toBe(0);
}

/** The host's requests so far, with their times. */
const requests = (line: VirtualLine): { opcode: number; at: number }[] =>
  line.sent
    .filter(({ direction, packet }) => direction === 'toDevice' && !isAck(parse(packet)))
    .map(({ packet, at }) => ({ opcode: packet[5]!, at }));

it('are sent at once, and answered one behind the other', () => {
  const { line, read, done } = setUp();
  const reads = [read(1), read(FRAME), read(1), read(9_000)];
  over(line, ...reads);
  for (const each of reads) expectWhole(each);
  expect(done).toEqual([1, FRAME, 1, 9_000]);
  expect(new Set(requests(line).map(({ at }) => at)).size).toBe(1);
  expect(line.host.stats.resyncs).toBe(0);
});

it('wrap with the 8 bits of their numbers', () => {
  const { line, read } = setUp();
  for (let round = 0; round < 200; round++) {
    const pair = [read(1), read(FRAME)];
    over(line, ...pair);
    for (const each of pair) expectWhole(each);
  }
  expect(line.host.stats.resyncs).toBe(0);
});

it('are one at a time with acks on', () => {
  const { line, read } = setUp({ wanted: { ack: true } });
  const reads = [read(1), read(FRAME)];
  over(line, ...reads);
  for (const each of reads) expectWhole(each);
  const [first, second] = requests(line);
  expect(second!.at).toBeGreaterThan(first!.at);
});

it('wait for a request of another kind, and it for them', () => {
  const { line, id, read } = setUp();
  const order: string[] = [];
  const first = read(1);
  const size = line.submit({ opcode: Opcode.CHANNEL_SIZE, channel: id, settle: () => order.push('size') });
  const last = read(FRAME);
  over(line, first, size, last);
  const [one, two, three] = requests(line);
  expect(two!.at).toBeGreaterThan(one!.at);
  expect(three!.at).toBeGreaterThan(two!.at);
  expectWhole(last);
});

it('have at most 120 packets in their replies together', () => {
  const { line, read } = setUp({ wanted: { ack: false, maxPayload: 500 } });
  const reads = [read(FRAME), read(FRAME), read(FRAME), read(1)];
  over(line, ...reads);
  for (const each of reads) expectWhole(each);
  // 50 fragments each.
  const at = requests(line).map((request) => request.at);
  expect(at[1]).toBe(at[0]);
  expect(at[2]).toBeGreaterThan(at[1]!);
});

describe('faults', () => {
  it('the whole reply of one is lost: it is missing, and the next is whole', () => {
    const { line, read } = setUp();
    line.tamper = once(({ length }, direction) => direction === 'toHost' && length === 1);
    const [release, frame] = [read(1), read(FRAME)];
    over(line, release, frame);
    expect(missingOf(release.outcome!)).toEqual([{ from: 0, to: 1 }]);
    expectWhole(frame);
    expect(line.host.stats.resyncs).toBe(0);
  });

  it.each([0, 2, 6])('fragment %i of one is lost: only that is missing', (index) => {
    const { line, read } = setUp();
    let seen = 0;
    line.tamper = once(
      ({ opcode }, direction) => direction === 'toHost' && opcode === 0x26 && seen++ === index,
    );
    const [first, second] = [read(FRAME), read(FRAME)];
    over(line, first, second);
    const missing = missingOf(first.outcome!);
    expect(missing).toEqual([{ from: index * 4_082, to: Math.min(FRAME, (index + 1) * 4_082) }]);
    expect(wrongBytes(first.settledBytes!, DATA, missing)).toBe(0);
    expectWhole(second);
    expect(line.host.stats.resyncs).toBe(0);
  });

  it('one that does not reach the device: both are lost, the device has done neither', () => {
    const { line, read, done } = setUp();
    line.tamper = once((_packet, direction) => direction === 'toDevice');
    const [release, frame] = [read(1), read(FRAME)];
    over(line, release, frame);
    expect(release.outcome).toEqual({ kind: 'lost', reason: 'sequence' });
    expect(frame.outcome).toEqual({ kind: 'lost', reason: 'sequence' });
    expect(done).toEqual([]);
    expect(line.host.stats.resyncs).toBe(1);
  });

  it('the last one does not reach the device: it is lost, those before it are not', () => {
    const { line, read, done } = setUp();
    let requestsSeen = 0;
    line.tamper = once((_packet, direction) => direction === 'toDevice' && ++requestsSeen === 2);
    const [release, frame] = [read(1), read(FRAME)];
    over(line, release, frame);
    expectWhole(release);
    expect(frame.outcome).toEqual({ kind: 'lost', reason: 'timeout' });
    expect(done).toEqual([1]);
  });

  it('one of one packet is refused: the next is answered', () => {
    const { line, read } = setUp();
    const [release, frame] = [read(1, FRAME), read(FRAME)];
    over(line, release, frame);
    expect(release.outcome).toEqual({ kind: 'nak', status: Status.FAILED });
    expectWhole(frame);
    expect(line.host.stats.resyncs).toBe(0);
  });

  it('one of several packets is refused: the next, whose number is wrong now, is lost', () => {
    const { line, read, done } = setUp();
    const [refused, frame] = [read(9_000, FRAME), read(FRAME)];
    over(line, refused, frame);
    expect(refused.outcome).toEqual({ kind: 'nak', status: Status.FAILED });
    expect(frame.outcome).toEqual({ kind: 'lost', reason: 'sequence' });
    expect(done).toEqual([]);
    over(line, read(FRAME));
  });

  it('the last one is refused: nothing is lost', () => {
    const { line, read } = setUp();
    const [release, frame] = [read(1), read(9_000, FRAME)];
    over(line, release, frame);
    expectWhole(release);
    expect(frame.outcome).toEqual({ kind: 'nak', status: Status.FAILED });
    const next = read(FRAME);
    over(line, next);
    expectWhole(next);
    expect(line.host.stats.resyncs).toBe(0);
  });

  it('the payload of one is damaged on its way: it is refused and not repeated behind the next', () => {
    const { line, read, done } = setUp();
    const flip = (packet: Uint8Array): Uint8Array[] => {
      const copy = packet.slice();
      copy[12] = copy[12]! ^ 1;
      return [copy];
    };
    line.tamper = once((_packet, direction) => direction === 'toDevice', flip);
    const [release, frame] = [read(1), read(FRAME)];
    over(line, release, frame);
    expect(release.outcome).toEqual({ kind: 'nak', status: Status.CHECKSUM });
    expectWhole(frame);
    expect(done).toEqual([FRAME]);
  });

  it('a `read()` backend gives other packets than expected: what was sent ahead is lost, and nothing mixed up', () => {
    const { line, read } = setUp();
    const id = line.device.register({
      name: 'pieces',
      flags: 1,
      read: (offset, length) => DATA.subarray(offset, offset + length),
    });
    const pieces = line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 9_000),
      destination: new Uint8Array(9_000),
      ahead: true,
    });
    const frame = read(FRAME);
    over(line, pieces, frame);
    for (const { outcome, settledBytes } of [pieces, frame]) {
      if (outcome?.kind === 'read') expect(wrongBytes(settledBytes!, DATA, outcome.missing)).toBe(0);
    }
    const next = read(FRAME);
    over(line, next);
    expectWhole(next);
  });

  it('a resynchronisation loses all of them, in their order', () => {
    const { line, read } = setUp({ latencyMs: 5 });
    const order: number[] = [];
    const reads = [1, 2, 3].map((length) => read(length, 0, () => order.push(length)));
    line.at(line.now + 1, () => line.host.resync(line.now, 'timeout'));
    over(line, ...reads);
    expect(order).toEqual([1, 2, 3]);
    expect(reads.map(({ outcome }) => outcome?.kind)).toEqual(['lost', 'lost', 'lost']);
  });

  it('one that is cancelled keeps its place; nothing is written to its destination any more', () => {
    const { line, read } = setUp({ latencyMs: 2 });
    const [first, second] = [read(FRAME), read(FRAME)];
    const { destination } = first.request;
    line.host.cancel(first.request);
    over(line, second);
    expectWhole(second);
    expect(destination!.every((byte) => byte === 0)).toBe(true);
  });
});

describe.each([1, 2, 3, 4, 5, 6])(
  'pairs of a release and a READ over a line that spoils packets, seed %i',
  (seed) => {
    it.each([0.01, 0.08])('share %d: every byte that is not reported missing is right', (share) => {
      const { line, read } = setUp({ seed, latencyMs: 0.3 });
      line.keepSent = false;
      line.faults = { toHost: evenly(share), toDevice: evenly(share) };
      let whole = 0;
      let wrong = 0;
      for (let round = 0; round < 400; round++) {
        if (line.host.state === 'failed') line.host.connect(line.now);
        const pair = [read(1), read(FRAME), read(1 + line.random.below(9_000))];
        over(line, ...pair);
        for (const { outcome, settledBytes } of pair) {
          if (outcome?.kind !== 'read') continue;
          whole++;
          wrong += wrongBytes(settledBytes!, DATA, outcome.missing);
        }
        if (line.random.chance(0.1)) line.device.sendEvent(6, round, false, line.now);
        line.requests.length = 0;
      }
      expect(wrong).toBe(0);
      expect(whole).toBeGreaterThan(1_200 * (1 - 6 * share));
      line.faults = {};
      if (line.host.state === 'failed') line.host.connect(line.now);
      const last = [read(1), read(FRAME)];
      over(line, ...last);
      for (const each of last) expectWhole(each);
      expect(line.problems()).toEqual([]);
    });
  },
);
