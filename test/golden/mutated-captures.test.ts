/** Recordings of a real device, damaged at random: the host's end neither throws, nor hangs, nor grows. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../src/errors.js';
import { HostLink } from '../../src/link/host-link.js';
import type { LinkOutcome } from '../../src/link/link-types.js';
import { Opcode } from '../../src/protocol/constants.js';
import { prng } from '../fakes/prng.js';
import { CAPTURES, loadCapture } from './captures.js';

type Mutation = (bytes: Uint8Array, random: () => number) => Uint8Array;

const place = (bytes: Uint8Array, random: () => number): number => Math.floor(random() * bytes.length);

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => {
    const flipped = bytes.slice();
    if (flipped.length > 0) flipped[place(flipped, random)]! ^= 1 << Math.floor(random() * 8);
    return flipped;
  },
  (bytes, random) => bytes.subarray(0, place(bytes, random)),
  (bytes, random) => bytes.subarray(place(bytes, random)),
  (bytes) => Buffer.concat([bytes, bytes]),
  (bytes, random) => Buffer.concat([Uint8Array.from({ length: 40 }, () => random() * 256), bytes]),
  () => new Uint8Array(0),
];

/** Feeds what the camera sent, damaged, to a host with requests under way. */
function replay(
  chunks: readonly Uint8Array[],
  seed: number,
  share: number,
): { settled: number; submitted: number } {
  const random = prng(seed);
  let now = 0;
  let settled = 0;
  let submitted = 0;
  const wanted = { crc: true, sequence: true, ack: seed % 2 === 0, events: true, maxPayload: 4_082 };
  const link = new HostLink(
    { wanted },
    {
      transmit: () => undefined,
      event: () => undefined,
      ready: () => undefined,
      failed: (error) => expect(error).toBeInstanceOf(BridgeError),
    },
  );
  const settle = (_: LinkOutcome): void => {
    settled++;
  };
  const submit = (opcode: number, destination?: Uint8Array): void => {
    submitted++;
    const payload = new Uint8Array(destination ? 8 : 0);
    link.submit(
      { opcode, channel: 5, payload, attempts: 2, settle, ...(destination && { destination }) },
      now,
    );
  };
  link.connect(now);
  for (const chunk of chunks) {
    if (random() < 0.3) submit(Opcode.CHANNEL_READ, new Uint8Array(24_000));
    if (random() < 0.3) submit(Opcode.CHANNEL_SIZE);
    const mutate = random() < share ? MUTATIONS[Math.floor(random() * MUTATIONS.length)] : undefined;
    now += random() * 20;
    link.receive(mutate ? mutate(chunk, random) : chunk, now);
    const deadline = link.deadline();
    if (deadline !== undefined && deadline <= now) link.tick(now);
  }
  // Left alone, it comes to an end by its own timers, in a bounded number of steps.
  for (let step = 0; step < 200 && link.state !== 'failed'; step++) {
    const deadline = link.deadline();
    if (deadline === undefined) break;
    now = Math.max(now + 0.001, deadline);
    link.tick(now);
  }
  link.close();
  return { settled, submitted };
}

describe('mutated recordings', () => {
  it('settle every request once', () => {
    const recordings = CAPTURES.map((name) =>
      loadCapture(name).packets.flatMap((packet) => (packet.from === 'camera' ? [packet.bytes] : [])),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: recordings.length - 1 }),
        fc.integer({ min: 0, max: 0x7fff_ffff }),
        fc.constantFrom(0.02, 0.2, 1),
        (index, seed, share) => {
          const { settled, submitted } = replay(recordings[index]!, seed, share);
          expect(settled).toBe(submitted);
        },
      ),
      { numRuns: 150 },
    );
  });
});
