/** What changes at the camera while a frame is being read: one fault a test, on a line that is good. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { FramePuller } from '../../../src/frames/frame-puller.js';
import type { DropReason, PulledFrame } from '../../../src/frames/source.js';
import { SystemEvent } from '../../../src/protocol/constants.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { LatchedChannel } from '../../fakes/latched-channel.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

interface Pulling {
  readonly frames: PulledFrame[];
  readonly drops: [DropReason, number][];
  readonly puller: FramePuller;
  readonly running: Promise<void>;
}

/** As the bridge does it: a restart of the interpreter ends a run, and another one follows. */
async function pullOn(puller: FramePuller, camera: Camera, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await puller.run(camera, signal);
}

async function pull(fake: FakeCamera, wanted: number): Promise<Pulling> {
  const camera = await connectFake(fake);
  cameras.push(camera);
  const frames: PulledFrame[] = [];
  const drops: [DropReason, number][] = [];
  const end = new AbortController();
  const puller = new FramePuller(
    'frame',
    {
      frame: (frame) => {
        frames.push(frame);
        if (frames.length === wanted) end.abort();
      },
      dropped: (reason, count) => drops.push([reason, count]),
    },
    fake.clock,
  );
  const running = pullOn(puller, camera, end.signal);
  running.catch(() => undefined);
  return { frames, drops, puller, running };
}

it('a size that changes between SHAPE and READ: the READ is refused, and the frame that is there is read', async () => {
  const fake = new FakeCamera();
  const first = fakeJpeg(1, 9_000);
  const second = fakeJpeg(2, 6_000);
  let number = 1;
  let released = 0;
  const current = (): Uint8Array => (number === 1 ? first : second);
  fake.device.register({
    name: 'frame',
    flags: 1,
    shape: () => {
      const answer = [current().length, 32, 24, number];
      number = 2; // the script was restarted, or another host read the frame
      return answer;
    },
    readp: (offset, length) => {
      if (offset + length > current().length) return undefined;
      if (offset + length === current().length) released++;
      return current().subarray(offset, offset + length);
    },
  });
  const { frames, running } = await pull(fake, 1);
  await running;
  expect(Buffer.compare(frames[0]!.jpeg, second)).toBe(0);
  expect(released).toBe(1);
});

it('a channel that vanishes ends the pulling in CHANNEL_MISSING', async () => {
  const fake = new FakeCamera();
  new LatchedChannel(fake, { style: 'numbered', capture: (n) => fakeJpeg(n, 5_000), captures: 3 });
  const { frames, running } = await pull(fake, 100);
  await expect.poll(() => frames.length).toBe(3);
  fake.device.unregisterDynamic();
  await expect(running).rejects.toMatchObject({ code: 'CHANNEL_MISSING' });
});

it('another script in its place is read from, and its numbers start again', async () => {
  const fake = new FakeCamera();
  new LatchedChannel(fake, { style: 'numbered', capture: (n) => fakeJpeg(n, 5_000), captures: 3 });
  const { frames, drops, running } = await pull(fake, 6);
  await expect.poll(() => frames.length).toBe(3);
  const next = new LatchedChannel(fake, {
    style: 'vendor',
    capture: (n) => fakeJpeg(n + 50, 4_000),
    captures: 3,
  });
  await running;
  expect(frames.slice(3).map((frame) => Buffer.from(frame.jpeg))).toEqual(
    next.captured.map((jpeg) => Buffer.from(jpeg)),
  );
  expect(drops).toEqual([]);
});

it('a restart of the interpreter in the middle of a frame: nothing of the old frame gets into the new one', async () => {
  const fake = new FakeCamera();
  const channel = new LatchedChannel(fake, {
    style: 'numbered',
    capture: (n) => fakeJpeg(n, 20_000),
    captures: 1,
  });
  let again: LatchedChannel | undefined;
  fake.damage = (packet, direction) => {
    const isBody = direction === 'to-host' && packet[5] === 0x26 && packet.length > 4_000;
    if (isBody && !again) {
      // As the device does it: the event, then its protocol starts again, with other channels.
      fake.device.sendEvent(0, SystemEvent.SOFT_REBOOT, false, 0);
      fake.device.reset();
      fake.device.unregisterDynamic();
      again = new LatchedChannel(fake, {
        style: 'numbered',
        capture: (n) => fakeJpeg(n + 90, 20_000),
        captures: 1,
      });
    }
    return packet;
  };
  const { frames, running } = await pull(fake, 1);
  await running;
  expect(Buffer.compare(frames[0]!.jpeg, again!.captured[0]!)).toBe(0);
  expect(Buffer.compare(frames[0]!.jpeg, channel.captured[0]!)).not.toBe(0);
});

it('a frame that was given up while the host was held up in the middle of it is begun again', async () => {
  const fake = new FakeCamera('virtual', 498);
  const first = fakeJpeg(1, 40_000); // more than one READ at this payload
  const second = fakeJpeg(2, 40_000);
  let number = 1;
  const current = (): Uint8Array => (number === 1 ? first : second);
  fake.device.register({
    name: 'frame',
    flags: 1,
    shape: () => [40_000, 32, 24, number],
    readp: (offset, length) => {
      const bytes = current().subarray(offset, offset + length);
      if (offset === 0 && number === 1) {
        // The first READ is answered; then the host is held up, and the camera takes another picture.
        fake.clock.after(0, () => {
          fake.clock.jump(250);
          number = 2;
        });
      }
      return bytes;
    },
  });
  const { frames, running } = await pull(fake, 1);
  await running;
  expect(Buffer.compare(frames[0]!.jpeg, second)).toBe(0);
});
