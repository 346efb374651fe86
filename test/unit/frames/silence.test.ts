/** A channel that has nothing to say: its script may have been stopped, or its frames be rare. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { FramePuller } from '../../../src/frames/frame-puller.js';
import type { PulledFrame } from '../../../src/frames/source.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { LatchedChannel } from '../../fakes/latched-channel.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

async function pull(
  fake: FakeCamera,
): Promise<{ frames: PulledFrame[]; running: Promise<void>; stop(): void }> {
  const camera = await connectFake(fake);
  cameras.push(camera);
  const frames: PulledFrame[] = [];
  const end = new AbortController();
  const puller = new FramePuller(
    'frame',
    {
      frame: (frame) => {
        frames.push(frame);
      },
      dropped: () => undefined,
    },
    fake.clock,
  );
  const running = puller.run(camera, end.signal);
  running.catch(() => undefined);
  return { frames, running, stop: () => end.abort() };
}

it('a stopped script, whose channel stays and answers, ends the pulling in CHANNEL_MISSING', async () => {
  const fake = new FakeCamera();
  new LatchedChannel(fake, { style: 'numbered', capture: (n) => fakeJpeg(n, 5_000), captures: 2 });
  const { frames, running } = await pull(fake);
  await expect.poll(() => frames.length).toBe(2);
  fake.running = false;
  await expect(running).rejects.toMatchObject({
    code: 'CHANNEL_MISSING',
    message: expect.stringMatching(/^No script runs on the camera/),
  });
});

it('a script that runs is waited for, however rare its frames are', async () => {
  const fake = new FakeCamera();
  let asked = 0;
  fake.device.register({ name: 'other', flags: 1, poll: () => ++asked > 0 });
  new LatchedChannel(fake, { style: 'numbered', capture: (n) => fakeJpeg(n, 5_000), captures: 2 });
  const { frames, running, stop } = await pull(fake);
  await expect.poll(() => frames.length).toBe(2);
  // Asked several times whether it runs, which asks every channel for its poll bit.
  await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(4);
  new LatchedChannel(fake, { style: 'numbered', capture: (n) => fakeJpeg(n + 10, 5_000), captures: 2 });
  await expect.poll(() => frames.length).toBe(4);
  stop();
  await running;
});
