/** Frames from previews: each once, whole, the latest; what is lost is counted. */
import { afterEach, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import type { BridgeError } from '../../../src/errors.js';
import { PreviewFormat } from '../../../src/frames/preview.js';
import { type PreviewOptions, PreviewPuller } from '../../../src/frames/preview-puller.js';
import type { DropReason, PulledFrame } from '../../../src/frames/source.js';
import { decodePixels } from '../../../src/pixels.js';
import { connectFake, type Damage, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { FakePreview } from '../../fakes/preview-channel.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

interface Setup {
  readonly options?: PreviewOptions;
  readonly kind?: 'virtual' | 'usb';
  readonly camera?: Record<string, unknown>;
  ready?(): Promise<unknown> | undefined;
}

async function pull({ options = {}, kind = 'virtual', camera: cameraOptions = {}, ready }: Setup = {}) {
  const fake = new FakeCamera(kind);
  const preview = new FakePreview(fake);
  const camera = await connectFake(fake, cameraOptions);
  cameras.push(camera);
  const frames: PulledFrame[] = [];
  const drops: [DropReason, number][] = [];
  const errors: BridgeError[] = [];
  const end = new AbortController();
  const puller = new PreviewPuller(
    {
      frame: (frame) => frames.push(frame),
      dropped: (reason, count) => drops.push([reason, count]),
      failed: (error) => errors.push(error),
      ...(ready && { ready }),
    },
    options,
    fake.clock,
  );
  const running = puller.run(camera, end.signal);
  running.catch(() => undefined);
  await expect.poll(() => preview.enabled).toBe(true);
  const jpeg = (number: number, size = 9_000): Uint8Array => {
    const data = fakeJpeg(number, size);
    preview.show({ format: PreviewFormat.JPEG, width: 32, height: 24, data });
    return data;
  };
  const stop = async (): Promise<void> => {
    end.abort();
    await running;
  };
  return { fake, preview, camera, puller, frames, drops, errors, running, jpeg, stop };
}

const bytesOf = (frames: readonly PulledFrame[]): Buffer[] => frames.map(({ jpeg }) => Buffer.from(jpeg));

it('each preview once, byte for byte, when its event tells; at the end the camera makes none any more', async () => {
  const { preview, frames, drops, jpeg, stop } = await pull();
  const shown: Uint8Array[] = [];
  for (let number = 1; number <= 5; number++) {
    shown.push(jpeg(number));
    await expect.poll(() => frames.length).toBe(number);
  }
  expect(bytesOf(frames)).toEqual(shown.map((data) => Buffer.from(data)));
  expect(frames[0]).toMatchObject({
    width: 32,
    height: 24,
    captureNumber: undefined,
    capturedAtMs: undefined,
  });
  await stop();
  expect(preview.enabled).toBe(false);
  expect(drops).toEqual([]);
  // JPEGs are asked for, whatever the board does by itself.
  expect(preview.ioctls).toEqual([
    [1, [0]],
    [0, [1]],
    [0, [0]],
  ]);
});

it('a reader without room gets the latest, and those before it are counted', async () => {
  let makeRoom = (): void => undefined;
  let room: Promise<void> | undefined;
  const { frames, drops, jpeg, stop } = await pull({ ready: () => room });
  jpeg(1);
  await expect.poll(() => frames.length).toBe(1);
  room = new Promise((resolve) => (makeRoom = resolve));
  const last = [2, 3, 4, 5, 6].map((number) => jpeg(number)).at(-1)!;
  room = undefined;
  makeRoom();
  await expect.poll(() => Buffer.compare(frames.at(-1)!.jpeg, last)).toBe(0);
  await stop();
  const replaced = drops.reduce((sum, [, count]) => sum + count, 0);
  expect(new Set(drops.map(([reason]) => reason))).toEqual(new Set(['replaced']));
  expect(frames.length + replaced).toBe(6);
});

it('what is damaged on the way is read again while the preview is locked', async () => {
  const { fake, preview, puller, frames, jpeg, stop } = await pull();
  let hits = 0;
  const damage: Damage = (packet, direction) => {
    if (direction === 'to-host' && packet.length > 3_000 && hits++ < 2) return undefined;
    return packet;
  };
  fake.damage = damage;
  const shown = jpeg(1, 20_000);
  jpeg(2, 20_000);
  await expect.poll(() => frames.length).toBeGreaterThan(0);
  expect([
    Buffer.compare(frames[0]!.jpeg, shown),
    Buffer.compare(frames[0]!.jpeg, preview.taken[0]!.subarray(32)),
  ]).toContain(0);
  expect(puller.repairs).toBeGreaterThan(0);
  await stop();
});

it('a link that begins again in the middle releases the lock: that preview is lost and counted, the next one comes', async () => {
  const { fake, frames, drops, jpeg, stop } = await pull();
  let silent = true;
  fake.damage = (packet, direction) => {
    const isRead = direction === 'to-host' && packet[5] === 0x26;
    return silent && isRead ? undefined : packet;
  };
  jpeg(1);
  await expect.poll(() => drops, { timeout: 20_000 }).toContainEqual(['unreadable', 1]);
  silent = false;
  const next = jpeg(2);
  await expect.poll(() => frames.length, { timeout: 20_000 }).toBe(1);
  expect(Buffer.compare(frames[0]!.jpeg, next)).toBe(0);
  await stop();
});

it('a lost answer to the unlocking: no preview comes twice', async () => {
  const { fake, frames, jpeg, stop } = await pull();
  let lost = 0;
  fake.damage = (packet, direction) =>
    direction === 'to-host' && packet[5] === 0x23 && lost++ === 0 ? undefined : packet;
  const first = jpeg(1);
  await expect.poll(() => frames.length, { timeout: 20_000 }).toBe(1);
  const second = jpeg(2);
  await expect.poll(() => frames.length, { timeout: 20_000 }).toBe(2);
  expect(bytesOf(frames)).toEqual([Buffer.from(first), Buffer.from(second)]);
  await stop();
});

it('pixels become a JPEG, and who decodes it soon gets the pixels as they came', async () => {
  const { preview, frames, stop } = await pull({ options: { raw: { width: 640, height: 480 } } });
  expect(preview.ioctls.slice(0, 3)).toEqual([
    [2, [640, 480]],
    [1, [1]],
    [0, [1]],
  ]);
  const data = Uint8Array.from({ length: 2 * 16 * 8 }, (_, at) => (at * 37) & 0xff);
  preview.show({ format: PreviewFormat.RGB565, width: 16, height: 8, data });
  await expect.poll(() => frames.length).toBe(1);
  const [frame] = frames;
  expect(frame).toMatchObject({ width: 16, height: 8 });
  const pixels = await decodePixels(frame!.jpeg, 'RGB3');
  const expected = Array.from({ length: 16 * 8 }, (_, at) => {
    const value = data[2 * at]! | (data[2 * at + 1]! << 8);
    const [red, green, blue] = [value >> 11, (value >> 5) & 63, value & 31];
    return [(red << 3) | (red >> 2), (green << 2) | (green >> 4), (blue << 3) | (blue >> 2)];
  }).flat();
  expect([...pixels.data]).toEqual(expected);
  await stop();
});

it('one that did not fit into the camera, one of an unknown format, and one that is no JPEG are counted, and told once', async () => {
  const { preview, frames, drops, errors, jpeg, stop } = await pull();
  preview.overflow();
  await expect.poll(() => drops).toEqual([['too_large', 1]]);
  preview.overflow();
  await expect.poll(() => drops.length).toBe(2);
  expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('did not fit')]);
  preview.show({ format: 0x0899_0001, width: 4, height: 4, data: new Uint8Array(16) });
  await expect.poll(() => drops.at(-1)).toEqual(['corrupt', 1]);
  expect(errors[1]!.message).toContain('0x08990001');
  preview.show({ format: PreviewFormat.JPEG, width: 4, height: 4, data: Uint8Array.of(0xff, 0xd8, 1, 2) });
  await expect.poll(() => drops.length).toBe(4);
  preview.show({ format: PreviewFormat.PNG, width: 4, height: 4, data: Uint8Array.of(1, 2, 3) });
  await expect.poll(() => drops.length).toBe(5);
  expect(drops.slice(2)).toEqual(Array(3).fill(['corrupt', 1]));
  jpeg(1);
  await expect.poll(() => frames.length).toBe(1);
  await stop();
});

it('one that is larger than allowed is counted, and the next one comes', async () => {
  const { frames, drops, jpeg, stop } = await pull({ camera: { maxFrameBytes: 10_000 } });
  jpeg(1, 11_000);
  await expect.poll(() => drops).toEqual([['too_large', 1]]);
  jpeg(2, 10_000);
  await expect.poll(() => frames.length).toBe(1);
  await stop();
});

it('the first preview on a camera that ran before may be of any age: it is stale', async () => {
  const { frames, drops, jpeg, stop } = await pull({ kind: 'usb' });
  jpeg(1);
  await expect.poll(() => drops).toEqual([['stale', 1]]);
  const second = jpeg(2);
  await expect.poll(() => frames.length).toBe(1);
  expect(Buffer.compare(frames[0]!.jpeg, second)).toBe(0);
  await stop();
});

it('a lost event costs a wait, no more', async () => {
  const { fake, frames, jpeg, stop } = await pull();
  fake.damage = (packet, direction) => (direction === 'to-host' && packet[5] === 0x29 ? undefined : packet);
  jpeg(1);
  await expect.poll(() => frames.length).toBe(1);
  await stop();
});

it('a script that ends and leaves no picture is noticed', async () => {
  const { fake, running } = await pull();
  fake.running = false;
  await expect(running).rejects.toMatchObject({
    code: 'CHANNEL_MISSING',
    message: expect.stringMatching(/^No script runs/),
  });
});

it('a frame channel that a script registers ends the run, where that is better', async () => {
  const { fake, running } = await pull({
    options: { unless: async (camera) => (await camera.channels()).some(({ name }) => name === 'frame') },
  });
  fake.device.register({ name: 'other', flags: 1 });
  fake.device.register({ name: 'frame', flags: 1 });
  await running;
});
