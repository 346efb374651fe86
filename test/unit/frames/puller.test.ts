import { afterEach, describe, expect, it } from 'vitest';
import { pause } from '../../../src/async.js';
import type { Camera } from '../../../src/camera/camera.js';
import { FramePuller } from '../../../src/frames/frame-puller.js';
import type { DropReason, PulledFrame } from '../../../src/frames/source.js';
import { connectFake, type Damage, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { LatchedChannel, type LatchOptions } from '../../fakes/latched-channel.js';
import { prng } from '../../fakes/prng.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

interface Pulled {
  readonly frames: PulledFrame[];
  readonly drops: Partial<Record<DropReason, number>>;
  readonly puller: FramePuller;
  readonly channel: LatchedChannel;
  readonly fake: FakeCamera;
}

/** Pulls until `wanted` frames have come, over a line that `damage` spoils from the first pull on. */
async function pull(
  options: LatchOptions,
  wanted: number,
  damage?: Damage,
  setUp: { maxPayload?: number; ack?: 'on' | 'off'; maxFrameBytes?: number } = {},
): Promise<Pulled> {
  const { maxPayload, ...cameraOptions } = setUp;
  const fake = new FakeCamera('virtual', maxPayload);
  const channel = new LatchedChannel(fake, options);
  const camera = await connectFake(fake, cameraOptions);
  cameras.push(camera);
  await camera.channels();
  if (damage) fake.damage = damage;
  const frames: PulledFrame[] = [];
  const drops: Partial<Record<DropReason, number>> = {};
  const end = new AbortController();
  const puller = new FramePuller(
    'frame',
    {
      frame: (frame) => {
        frames.push(frame);
        if (frames.length === wanted) end.abort();
      },
      dropped: (reason, count) => {
        drops[reason] = (drops[reason] ?? 0) + count;
      },
    },
    fake.clock,
  );
  await puller.run(camera, end.signal);
  return { frames, drops, puller, channel, fake };
}

function expectCaptures(pulled: Pulled, count: number): void {
  expect(pulled.frames).toHaveLength(count);
  pulled.frames.forEach((frame, index) => {
    expect(Buffer.compare(frame.jpeg, pulled.channel.captured[index]!), `frame ${index + 1}`).toBe(0);
  });
}

const capture = (number: number): Uint8Array => fakeJpeg(number, 9_000 + ((number * 977) % 9_000));

/** Loses, flips or cuts that share of packets in both directions. */
function lossy(seed: number, share: number): Damage {
  const random = prng(seed);
  return (packet) => {
    if (random() >= share) return packet;
    const kind = random();
    if (kind < 1 / 3) return undefined;
    if (kind < 2 / 3) return packet.subarray(0, Math.floor(random() * packet.length));
    const flipped = packet.slice();
    const at = Math.floor(random() * packet.length);
    flipped[at] = flipped[at]! ^ (1 << Math.floor(random() * 8));
    return flipped;
  };
}

describe.each(['windowed', 'numbered', 'vendor'] as const)('a %s frame channel', (style) => {
  it('gives every capture once, in order, byte for byte', async () => {
    expectCaptures(await pull({ style, capture, captures: 50 }, 50), 50);
  });

  it('is polled when its script sends no events', async () => {
    expectCaptures(await pull({ style, capture, captures: 5, events: false }, 5), 5);
  });

  it('works with acks on', async () => {
    expectCaptures(await pull({ style, capture, captures: 10 }, 10, undefined, { ack: 'on' }), 10);
  });

  it.each([1, 2, 3])('loses nothing on a line that spoils every twentieth packet (seed %i)', async (seed) => {
    const pulled = await pull({ style, capture, captures: 80 }, 80, lossy(seed, 0.05));
    expectCaptures(pulled, 80);
    expect(pulled.drops).toEqual({});
    expect(pulled.puller.stats.repairs + pulled.puller.stats.restarts).toBeGreaterThan(0);
  });

  it('takes small payloads, with many more than 256 fragments a frame', async () => {
    const big = (number: number): Uint8Array => fakeJpeg(number, 40_000 + number);
    const pulled = await pull({ style, capture: big, captures: 6 }, 6, lossy(9, 0.01), { maxPayload: 52 });
    expectCaptures(pulled, 6);
  });

  it('drops what is no JPEG and goes on', async () => {
    const broken = (number: number): Uint8Array => {
      const bytes = capture(number);
      if (number % 3 === 0) bytes[bytes.length - 1] = 0;
      return bytes;
    };
    const pulled = await pull({ style, capture: broken, captures: 12 }, 8);
    expect(pulled.drops.corrupt).toBeGreaterThanOrEqual(3);
    const good = pulled.channel.captured.filter((bytes) => bytes.at(-1) === 0xd9);
    pulled.frames.forEach((frame, index) => {
      expect(Buffer.compare(frame.jpeg, good[index]!)).toBe(0);
    });
  });

  it('passes over frames that are too large to be believed', async () => {
    const sizes = (number: number): Uint8Array => fakeJpeg(number, number === 2 ? 30_000 : 5_000);
    const pulled = await pull({ style, capture: sizes, captures: 4 }, 3, undefined, {
      maxFrameBytes: 20_000,
    });
    expect(pulled.drops.too_large).toBe(1);
    expect(pulled.frames.map((frame) => frame.jpeg.length)).toEqual([5_000, 5_000, 5_000]);
  });
});

/** Loses the camera's answer to each frame's last byte: a READ reply with a one-byte payload. */
function losesLastByte(times: number): Damage {
  let left = times;
  return (packet, direction) => {
    const isLastByte = direction === 'to-host' && packet[5] === 0x26 && packet[6] === 1 && packet[7] === 0;
    if (!isLastByte || left === 0) return packet;
    left--;
    return undefined;
  };
}

describe('the answer that releases the latch is lost', () => {
  it.each(['windowed', 'numbered', 'vendor'] as const)(
    '%s: the frame is delivered once and none is lost',
    async (style) => {
      const pulled = await pull({ style, capture, captures: 6 }, 6, losesLastByte(3));
      expectCaptures(pulled, 6);
    },
  );
});

/** Loses the request for each frame's last byte: the latch stays closed. */
function losesLastRequest(times: number): Damage {
  let left = times;
  return (packet, direction) => {
    const isLastByte =
      direction === 'to-camera' &&
      packet[5] === 0x26 &&
      packet[6] === 8 &&
      packet[14] === 1 &&
      packet[15] === 0;
    if (!isLastByte || left === 0) return packet;
    left--;
    return undefined;
  };
}

describe('the request that releases the latch is lost', () => {
  it.each(['windowed', 'numbered', 'vendor'] as const)(
    '%s: the capture that is still latched is not delivered twice',
    async (style) => {
      const pulled = await pull({ style, capture, captures: 6 }, 6, losesLastRequest(3));
      expectCaptures(pulled, 6);
      expect(pulled.puller.stats.released).toBe(3);
    },
  );
});

describe('backpressure', () => {
  it.each([
    ['numbered', 2],
    ['windowed', 3],
  ] as const)('%s: leaves the next frame at the camera while a consumer is busy', async (style, captured) => {
    const fake = new FakeCamera();
    const channel = new LatchedChannel(fake, { style, capture, captures: 100 });
    const camera = await connectFake(fake);
    cameras.push(camera);
    let release: () => void = () => undefined;
    let room: Promise<void> | undefined;
    let count = 0;
    const end = new AbortController();
    const puller = new FramePuller(
      'frame',
      {
        frame: () => {
          count++;
          room = new Promise((resolve) => {
            release = resolve;
          });
        },
        ready: () => room,
        dropped: () => undefined,
      },
      fake.clock,
    );
    const running = puller.run(camera, end.signal);
    await pause(200, undefined, fake.clock);
    expect(count).toBe(1);
    expect(channel.captured.length).toBe(captured);
    end.abort();
    release();
    await running;
  });
});
