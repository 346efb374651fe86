/** What a script attaches to a frame comes with exactly that frame, and damaged data costs no frame. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import type { BridgeError } from '../../../src/errors.js';
import { FramePuller } from '../../../src/frames/frame-puller.js';
import type { PulledFrame } from '../../../src/frames/source.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { connectFake, type Damage, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { LatchedChannel, type LatchOptions } from '../../fakes/latched-channel.js';
import { prng } from '../../fakes/prng.js';

const cameras: Camera[] = [];
afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
/** From nothing to the most there may be. */
const attached = (number: number) => ({ number, pad: 'x'.repeat((number * 211) % 1_000) });

async function pull(count: number, options: Partial<LatchOptions>, damage?: Damage) {
  const fake = new FakeCamera('virtual');
  const channel = new LatchedChannel(fake, {
    style: 'windowed',
    control: true,
    capture: (number) => fakeJpeg(number, 9_000 + number * 13),
    captures: 1_000,
    ...options,
  });
  const camera = await connectFake(fake, {});
  cameras.push(camera);
  if (damage) fake.damage = damage;
  const frames: PulledFrame[] = [];
  const failures: BridgeError[] = [];
  const end = new AbortController();
  const puller = new FramePuller(
    'frame',
    {
      frame: (frame) => {
        frames.push(frame);
        if (frames.length === count) end.abort();
      },
      dropped: () => undefined,
      failed: (error) => failures.push(error),
    },
    fake.clock,
  );
  while (!end.signal.aborted) await puller.run(camera, end.signal);
  return { frames, failures, puller, channel };
}

const isEvent: Damage = (packet, direction) =>
  direction === 'to-host' && packet[5] === Opcode.CHANNEL_EVENT ? undefined : packet;

it.each([
  ['announced by events', undefined],
  ['found by asking, its events lost', isEvent],
] as const)('comes with every frame, the first one included: %s', async (_how, damage) => {
  const { frames, failures } = await pull(12, { data: (number) => text(attached(number)) }, damage);
  expect(frames.map(({ data }) => data)).toEqual(frames.map(({ captureNumber }) => attached(captureNumber!)));
  expect(frames[0]!.captureNumber).toBe(1);
  expect(failures).toEqual([]);
});

it.each([1, 2, 3])('belongs to its frame on a line that spoils packets, seed %i', async (seed) => {
  const random = prng(seed);
  const { frames, channel } = await pull(
    60,
    { data: (number) => text(attached(number)), captureMs: 2 },
    (packet) => {
      if (random() >= 0.05) return packet;
      if (random() < 0.5) return undefined;
      const flipped = packet.slice();
      const at = Math.floor(random() * packet.length);
      flipped[at] = flipped[at]! ^ 1;
      return flipped;
    },
  );
  for (const { captureNumber, data, jpeg } of frames) {
    expect(data).toEqual(attached(captureNumber!));
    expect(Buffer.compare(jpeg, channel.captured[captureNumber! - 1]!)).toBe(0);
  }
});

it('is undefined where nothing is attached, and null where that is', async () => {
  const { frames } = await pull(6, { data: (number) => (number % 2 ? new Uint8Array(0) : text(null)) });
  expect(frames.map(({ data }) => data)).toEqual([undefined, null, undefined, null, undefined, null]);
});

it.each([
  ['is no JSON', Buffer.from('{"blobs":[nan]}'), 'is no JSON'],
  ['is no UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), 'is no JSON in UTF-8'],
  ['is nested deeply', Buffer.from('['.repeat(40) + ']'.repeat(40)), 'nested more than 32 deep'],
  ['is longer than 1 KB', text('x'.repeat(1_023)), 'more than 1024 bytes'],
])('data that %s is counted, told once in a row, and loses no frame', async (_what, damaged, message) => {
  const bad = new Set([3, 4, 5, 8]);
  const { frames, failures, puller, channel } = await pull(12, {
    data: (number) => (bad.has(number) ? damaged : text(attached(number))),
  });
  expect(frames.map(({ data }) => data)).toEqual(
    frames.map(({ captureNumber: number }) => (bad.has(number!) ? undefined : attached(number!))),
  );
  expect(frames.map(({ jpeg }) => Buffer.from(jpeg))).toEqual(
    channel.captured.slice(0, 12).map((jpeg) => Buffer.from(jpeg)),
  );
  expect(puller.damagedData).toBe(4);
  expect(failures.map(({ code }) => code)).toEqual(['FRAME_DATA_INVALID', 'FRAME_DATA_INVALID']);
  expect(failures[0]!.message).toContain(message);
  expect(failures[0]!.context).toEqual({ number: 3 });
});
