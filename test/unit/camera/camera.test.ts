import { afterEach, describe, expect, it } from 'vitest';
import { Camera } from '../../../src/camera/camera.js';
import { cameraOptionsSchema } from '../../../src/options/index.js';
import { Opcode, Status } from '../../../src/protocol/constants.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

async function connect(fake: FakeCamera, options: Record<string, unknown> = {}): Promise<Camera> {
  const camera = await connectFake(fake, options);
  cameras.push(camera);
  return camera;
}

describe('connecting', () => {
  it('tells who the camera is', async () => {
    const camera = await connect(new FakeCamera());
    const { version, system, link } = camera.info();
    expect(camera.id).toBe('444941302d494d314a53414d');
    expect(version).toEqual({ protocol: [1, 0, 2], bootloader: [1, 0, 3], firmware: [5, 0, 0] });
    expect(system.usbVendorId).toBe(0x37c5);
    expect(link).toEqual({ crc: true, sequence: true, ack: false, events: true, maxPayload: 4_082 });
    expect((await camera.memory())[0]).toMatchObject({ type: 'gc', total: 1_000, free: 600 });
    expect((await camera.deviceStats()).receivedPackets).toBeGreaterThan(3);
  });

  it('has nothing to tell before it is connected, which is an error with a code', () => {
    const fake = new FakeCamera();
    const options = cameraOptionsSchema.parse({ port: 'fake' });
    const unopened = new Camera(fake, 'fake', options, fake.clock);
    expect(() => unopened.info()).toThrow(expect.objectContaining({ code: 'PORT_CLOSED' }));
  });

  it('has acks on where a line may lose bytes, and as asked', async () => {
    expect((await connect(new FakeCamera('uart'))).info().link.ack).toBe(true);
    expect((await connect(new FakeCamera('usb'))).info().link.ack).toBe(false);
    expect((await connect(new FakeCamera('uart'), { ack: 'off' })).info().link.ack).toBe(false);
    expect((await connect(new FakeCamera('virtual'), { ack: 'on' })).info().link.ack).toBe(true);
  });

  it('takes a name, and a smaller payload', async () => {
    const camera = await connect(new FakeCamera(), { cameraId: 'line-3', maxPayload: 498 });
    expect(camera.id).toBe('line-3');
    expect(camera.info().link.maxPayload).toBe(498);
  });

  it('fails with CAMERA_SILENT when nothing answers', async () => {
    const fake = new FakeCamera();
    fake.damage = () => undefined;
    await expect(connectFake(fake)).rejects.toMatchObject({ code: 'CAMERA_SILENT' });
  });
});

it('a question whether the script runs ends with its signal', async () => {
  const fake = new FakeCamera();
  const camera = await connect(fake);
  expect(await camera.running()).toBe(true);
  fake.damage = (packet, direction) =>
    direction === 'to-camera' && packet[5] === Opcode.CHANNEL_POLL ? undefined : packet;
  const reason = new Error('the state was left');
  const abort = new AbortController();
  const asked = camera.running(abort.signal);
  abort.abort(reason);
  await expect(asked).rejects.toBe(reason);
});

describe('channels', () => {
  it('are found by name, the highest id where a stopped script left one behind', async () => {
    const fake = new FakeCamera();
    fake.device.register({ name: 'data', flags: 1, size: () => 1 });
    fake.device.register({ name: 'data', flags: 1, size: () => 2 });
    const camera = await connect(fake);
    expect(await camera.channel('data').id()).toBe(5);
    expect(await camera.channel('data').size()).toBe(2);
  });

  it('are looked up again after the camera announces a change', async () => {
    const fake = new FakeCamera();
    const camera = await connect(fake);
    await expect(camera.channel('late').size()).rejects.toMatchObject({
      code: 'CHANNEL_MISSING',
      context: { channels: ['usb', 'stdin', 'stdout', 'stream'] },
    });
    fake.device.register({ name: 'late', flags: 1, size: () => 7 });
    await expect
      .poll(() =>
        camera
          .channel('late')
          .size()
          .catch(() => 0),
      )
      .toBe(7);
  });

  it('read, write, shape, ioctl, poll, lock and unlock', async () => {
    const fake = new FakeCamera();
    const memory = new Uint8Array(20_000);
    const ioctls: [number, number[]][] = [];
    fake.device.register({
      name: 'memory',
      flags: 3,
      poll: () => true,
      size: () => memory.length,
      shape: () => [100, 200],
      readp: (offset, length) => memory.subarray(offset, offset + length),
      write: (offset, data) => {
        memory.set(data, offset);
        return data.length;
      },
      ioctl: (request, argument) => {
        ioctls.push([request, [...argument]]);
        return request === 9 ? 1 : 0;
      },
      lock: () => true,
      unlock: () => true,
    });
    const camera = await connect(fake, { maxPayload: 498 });
    const channel = camera.channel('memory');
    const data = Uint8Array.from({ length: 15_000 }, (_, index) => index * 7);
    await channel.write(data, 1_000);
    expect(Buffer.compare(memory.subarray(1_000, 16_000), data)).toBe(0);
    expect(Buffer.compare(await channel.read(), memory)).toBe(0);
    expect(Buffer.compare(await channel.read({ offset: 1_000, length: 15_000 }), data)).toBe(0);
    expect(await channel.shape()).toEqual([100, 200]);
    expect(await channel.poll()).toBe(true);
    await channel.ioctl(3, Uint8Array.from([1, 2]));
    expect(ioctls).toEqual([[3, [1, 2]]]);
    await expect(channel.ioctl(9)).rejects.toMatchObject({
      code: 'CAMERA_REFUSED',
      context: { status: 'FAILED' },
    });
    await channel.lock();
    await channel.unlock();
    await channel.lock(); // BUSY within 10 ms of the first: waited for
    await channel.unlock();
  });

  it("deliver their events and no other channel's", async () => {
    const fake = new FakeCamera();
    const one = fake.device.register({ name: 'one', flags: 1 });
    const two = fake.device.register({ name: 'two', flags: 1 });
    const camera = await connect(fake);
    const events: number[] = [];
    const subscription = camera.channel('two').events$.subscribe((event) => events.push(event));
    fake.device.sendEvent(one, 11, false, 0);
    fake.device.sendEvent(two, 22, false, 0);
    fake.device.sendEvent(two, 0xffff, false, 0);
    await expect.poll(() => events).toEqual([22, 0xffff]);
    subscription.unsubscribe();
  });

  it('say what the camera refused', async () => {
    const fake = new FakeCamera();
    fake.device.register({ name: 'broken', flags: 1, size: () => 10, readp: () => undefined });
    const camera = await connect(fake);
    await expect(camera.channel('broken').read()).rejects.toMatchObject({
      code: 'CAMERA_REFUSED',
      context: { opcode: 'CHANNEL_READ', channel: 'broken', status: 'FAILED' },
    });
    await expect(camera.channel('broken').shape()).rejects.toMatchObject({ context: { status: 'INVALID' } });
    expect(camera.stats().naks).toEqual({ FAILED: 1, INVALID: 1 });
    expect(Status.FAILED).toBe(1);
  });

  it.each([-1, 1.5, 1e12])('refuse to read %d bytes', async (length) => {
    const camera = await connect(new FakeCamera());
    await expect(camera.channel('stream').read({ length })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});

describe('an unplugged camera', () => {
  it('ends in one disconnected event, and every request under way in PORT_CLOSED', async () => {
    const fake = new FakeCamera();
    const camera = await connect(fake);
    const events: string[] = [];
    camera.events$.subscribe((event) => events.push(event.type));
    const pending = camera.channel('stream').size();
    fake.unplug();
    await expect(pending).rejects.toMatchObject({ code: 'PORT_CLOSED' });
    await expect(camera.channel('stdout').size()).rejects.toMatchObject({ code: 'PORT_CLOSED' });
    await camera.close();
    expect(events).toEqual(['disconnected']);
    expect(camera.connected).toBe(false);
  });
});
