/** The same bytes once more after a release whose answer was lost: the same capture, or a new one exactly like it? */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { FramePuller } from '../../../src/frames/frame-puller.js';
import type { DropReason } from '../../../src/frames/source.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

const JPEG = fakeJpeg(1, 5_000);

/**
 * Captures the same picture again and again, `pauses` looks after the one before, and loses the answer to the first
 * release. How many captures there were, of which how many were delivered, and what was counted.
 */
async function pull(numbered: boolean, pauses: number) {
  const fake = new FakeCamera();
  let captured = 1;
  let until = 0;
  const latched = (): boolean => {
    if (until > 0 && --until === 0) captured++;
    return until === 0;
  };
  fake.device.register({
    name: 'frame',
    flags: 1,
    poll: latched,
    size: () => JPEG.length,
    readp: (offset, length) => {
      if (offset + length === JPEG.length) until = pauses + 1;
      return JPEG.subarray(offset, offset + length);
    },
    ...(numbered ? { shape: () => [latched() ? JPEG.length : 0, 32, 24, captured] } : {}),
  });
  let losses = 1;
  fake.damage = (packet, direction) => {
    const isLastByte = direction === 'to-host' && packet[5] === 0x26 && packet[6] === 1 && packet[7] === 0;
    if (!isLastByte || losses === 0) return packet;
    losses--;
    return undefined;
  };
  const camera = await connectFake(fake);
  cameras.push(camera);
  let delivered = 0;
  const drops: Partial<Record<DropReason, number>> = {};
  const end = new AbortController();
  const puller = new FramePuller(
    'frame',
    {
      frame: () => {
        if (++delivered === 4) end.abort();
      },
      dropped: (reason, count) => {
        drops[reason] = (drops[reason] ?? 0) + count;
      },
    },
    fake.clock,
  );
  await puller.run(camera, end.signal);
  return { captured, delivered, drops };
}

it('without a number it is not delivered, but counted', async () => {
  expect(await pull(false, 0)).toEqual({ captured: 5, delivered: 4, drops: { repeated: 1 } });
});

it('without a number it is delivered when the latch was seen open in between', async () => {
  expect(await pull(false, 2)).toEqual({ captured: 4, delivered: 4, drops: {} });
});

it('with a number nothing is in doubt', async () => {
  expect(await pull(true, 0)).toEqual({ captured: 4, delivered: 4, drops: {} });
});
