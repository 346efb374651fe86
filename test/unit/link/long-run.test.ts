import { describe, expect, it } from 'vitest';
import type { LinkOutcome } from '../../../src/link/link-types.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { evenly } from '../../fakes/line-faults.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, pattern, wrongBytes } from './support.js';

const READS = 2_000;
const FRAME = 25_000;

interface Run {
  readonly line: VirtualLine;
  readonly kinds: Record<LinkOutcome['kind'], number>;
  readonly wrong: number;
  readonly missingBytes: number;
  readonly reconnections: number;
}

/** 2,000 READs of 25 KB, with other requests between them; a link that gives up is connected again, as its owner would. */
function longRun(share: number, ack: boolean, seed: number): Run {
  const line = new VirtualLine({ wanted: { ack }, seed, latencyMs: 0.1 }).connect();
  line.keepSent = false;
  const data = pattern(FRAME, seed);
  const id = line.device.register(bufferChannel(data));
  line.faults = { toHost: evenly(share), toDevice: evenly(share) };
  const kinds = { reply: 0, ack: 0, read: 0, nak: 0, lost: 0 };
  let wrong = 0;
  let missingBytes = 0;
  let reconnections = 0;
  const destination = new Uint8Array(FRAME);
  for (let round = 0; round < READS; round++) {
    if (line.host.state === 'failed') {
      reconnections++;
      line.host.connect(line.now);
    }
    const payload = encodeIoRequest(0, FRAME);
    destination.fill(0);
    const outcome = line.ask({ opcode: Opcode.CHANNEL_READ, channel: id, payload, destination });
    kinds[outcome.kind]++;
    if (outcome.kind === 'read') {
      wrong += wrongBytes(destination, data, outcome.missing);
      for (const { from, to } of outcome.missing) missingBytes += to - from;
    }
    if (round % 5 === 0 && line.host.state !== 'failed') {
      line.ask({ opcode: Opcode.CHANNEL_SIZE, channel: id, attempts: 3 });
    }
    if (line.random.chance(0.05)) line.device.sendEvent(id, round, false, line.now);
    // The same buffer serves them all, as in a frame pool: forget the earlier ones.
    line.requests.length = 0;
  }
  line.faults = {};
  if (line.host.state === 'failed') line.host.connect(line.now);
  line.run();
  return { line, kinds, wrong, missingBytes, reconnections };
}

describe.each([
  [0.02, true],
  [0.02, false],
  [0.1, true],
  [0.1, false],
] as const)('2,000 READs of 25 KB over a line that spoils %d of all packets, acks %s', (share, ack) => {
  it.each([1, 2, 3])('seed %i: every byte that is not reported missing is right', (seed) => {
    const { line, kinds, wrong, missingBytes } = longRun(share, ack, seed);
    expect(wrong).toBe(0);
    expect(kinds.read + kinds.lost + kinds.nak).toBe(READS);
    // A READ is refused for good only by a device that was interrupted in it; most of them arrive.
    expect(kinds.read).toBeGreaterThan(READS * (1 - 3 * share) - 1);
    expect(missingBytes).toBeLessThan(READS * FRAME * share * 2);
    if (ack) expect(missingBytes).toBeLessThan(READS * FRAME * share * share);
    expect(line.host.state).toBe('ready');
    expect(line.problems()).toEqual([]);
    // On a line that is good again everything works at once.
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 3 }).kind).toBe('reply');
    expect(line.device.caps).toEqual(line.host.caps);
  });
});
