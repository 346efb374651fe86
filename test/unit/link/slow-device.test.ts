/** A device that answers nothing for a while: it is busy, not silent, and the wait for its answers learns from them. */
import { describe, expect, it } from 'vitest';
import { HOST_TIMING } from '../../../src/link/timing.js';
import { Opcode } from '../../../src/protocol/index.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { once } from './support.js';

/** Holds back what is sent to the device for so long, in each `everyMs`. */
function blocking(line: VirtualLine, blockedMs: number, everyMs: number): void {
  let held: Uint8Array[] = [];
  line.tamper = (packet, direction) => {
    const since = line.now % everyMs;
    if (direction === 'toHost' || since >= blockedMs) return undefined;
    if (held.length === 0) {
      line.at(line.now + blockedMs - since, () => {
        const all = held;
        held = [];
        for (const bytes of all) line.inject('toDevice', bytes);
      });
    }
    held.push(packet.slice());
    return [];
  };
}

/** Asks once in each block and ten times behind it, as a host does that waits for a frame and then reads it. */
function ask(line: VirtualLine, blockedMs: number, everyMs: number, rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    const begin = Math.ceil(line.now / everyMs) * everyMs;
    line.runFor(begin + 5 - line.now);
    for (let question = 0; question < 11; question++) {
      expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 5 }).kind).toBe('reply');
    }
    expect(line.now - begin).toBeGreaterThanOrEqual(blockedMs);
  }
}

describe.each([true, false])('a device that answers nothing for a while in each frame, acks %s', (ack) => {
  it.each([30, 90, 200, 700, 2_000])('%i ms: costs two resynchronisations at most, all together', (ms) => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    for (let round = 0; round < 20; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
    const before = line.host.stats.requests;
    blocking(line, ms, ms + 30);
    ask(line, ms, ms + 30, 3);
    expect(line.host.stats.resyncs).toBeLessThanOrEqual(2);
    const learnt = line.host.stats;
    ask(line, ms, ms + 30, 20);
    expect(line.host.stats.resyncs).toBe(learnt.resyncs);
    expect(line.host.stats.timeouts).toBe(learnt.timeouts);
    expect(line.host.stats.requests - before).toBeLessThanOrEqual(23 * 11 + 2);
  });
});

describe('a device, or a thread beside ours, that is late now and then on a line that loses nothing', () => {
  it.each([61, 100, 240])('%i ms: costs no resynchronisation', (ms) => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    for (let round = 0; round < 20; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
    blocking(line, ms, 10_000);
    ask(line, ms, 10_000, 10);
    expect(line.host.stats).toMatchObject({ resyncs: 0, timeouts: 0 });
  });
});

describe('acks on, a request that is lost', () => {
  const lose = (line: VirtualLine): void => {
    line.tamper = once(
      ({ opcode }, direction) => direction === 'toDevice' && opcode === Opcode.PROTO_VERSION,
    );
  };

  it('is found out when the device would have repeated its answer and has not', () => {
    const line = new VirtualLine().connect();
    for (let round = 0; round < 20; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
    lose(line);
    const begun = line.now;
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 1 }).kind).toBe('lost');
    expect(line.now - begun).toBeCloseTo(HOST_TIMING.repetitionMs + HOST_TIMING.cleanReplyMs, -1);
    // From here on it is known that the line loses packets.
    lose(line);
    line.run(() => line.host.state === 'ready');
    const again = line.now;
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 1 }).kind).toBe('lost');
    expect(line.now - again).toBeLessThan(602);
  });

  it('and can be asked again does not wait for that', () => {
    const line = new VirtualLine().connect();
    for (let round = 0; round < 20; round++) line.ask({ opcode: Opcode.PROTO_VERSION });
    lose(line);
    const begun = line.now;
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2, quick: true }).kind).toBe('reply');
    expect(line.now - begun).toBeLessThan(HOST_TIMING.cleanReplyMs + 10);
  });
});
