/** What was learnt of the camera in one session is not acted upon in the next. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

async function connect(fake: FakeCamera): Promise<Camera> {
  const camera = await connectFake(fake);
  cameras.push(camera);
  return camera;
}

/** A camera with a channel whose bytes are all the same, and a count of the READs it was asked. */
function withFrames(): { fake: FakeCamera; fill(value: number): void; reads(): number } {
  const fake = new FakeCamera();
  const bytes = new Uint8Array(10_000).fill(1);
  let reads = 0;
  fake.device.register({
    name: 'frame',
    flags: 1,
    size: () => bytes.length,
    readp: (offset, length) => {
      reads++;
      return bytes.subarray(offset, offset + length);
    },
  });
  return { fake, fill: (value) => void bytes.fill(value), reads: () => reads };
}

it('a READ that waited behind a request which cost the session is not sent in the next one', async () => {
  const { fake, reads } = withFrames();
  const camera = await connect(fake);
  await camera.channels();
  const { session } = camera;
  let losing = true;
  fake.damage = (packet, direction) => {
    const isSize = direction === 'to-host' && packet[5] === Opcode.CHANNEL_SIZE;
    if (!isSize || !losing) return packet;
    losing = false;
    return undefined;
  };
  const channel = camera.channel('frame');
  const size = channel.size();
  const body = channel.readInto(new Uint8Array(10_000), 0, [{ from: 0, to: 10_000 }], { session });
  await expect(body).rejects.toMatchObject({ code: 'CAMERA_SILENT' });
  expect(await size).toBe(10_000);
  expect(camera.session).toBeGreaterThan(session);
  expect(reads()).toBe(0);
});

it('a camera that started again is not believed, even when its number fits by chance', async () => {
  const { fake, fill } = withFrames();
  const camera = await connect(fake);
  const channel = camera.channel('frame');
  // Both sides count to 256 and begin again: wait for the moment at which a camera that starts again agrees.
  while (fake.device.sequence !== 0) await channel.size();
  fake.device.reset();
  fill(2);
  const { session } = camera;
  const reading = channel.readInto(new Uint8Array(10_000), 0, [{ from: 0, to: 10_000 }], { session });
  await expect(reading).rejects.toMatchObject({ code: 'CAMERA_PROTOCOL' });
  expect(camera.session).toBeGreaterThan(session);
  expect(await channel.size()).toBe(10_000);
  expect(camera.info().link.ack).toBe(false);
});
