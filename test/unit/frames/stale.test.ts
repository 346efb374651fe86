/** A frame that waited at the camera while no one was there is not delivered as one of now; every other is. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import { FramePuller } from '../../../src/frames/frame-puller.js';
import type { DropReason, PulledFrame } from '../../../src/frames/source.js';
import { SystemEvent } from '../../../src/protocol/constants.js';
import { connectFake, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { LatchedChannel } from '../../fakes/latched-channel.js';
import { VirtualClock } from '../../fakes/virtual-clock.js';

const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

const capture = (number: number): Uint8Array => fakeJpeg(number, 5_000 + number);

/** One puller over several connections. Its time stands still but for absences; what it waits for comes all the same. */
class Host {
  readonly frames: PulledFrame[] = [];
  readonly drops: [DropReason, number][] = [];
  readonly clock = new VirtualClock();
  now = 1_000_000;
  readonly #puller: FramePuller;

  constructor(policy?: 'drop' | 'deliver') {
    this.#puller = new FramePuller(
      'frame',
      {
        frame: (frame) => {
          this.frames.push(frame);
        },
        dropped: (reason, count) => this.drops.push([reason, count]),
      },
      { now: () => this.now, after: (ms, callback) => this.clock.after(ms, callback) },
      policy,
    );
  }

  /** Pulls over a new connection until `wanted` frames have come in all; then the line is cut. */
  async pull(fake: FakeCamera, wanted: number, before?: (camera: Camera) => void): Promise<void> {
    const camera = await connectFake(fake);
    cameras.push(camera);
    before?.(camera);
    const { signal } = new AbortController();
    // As the bridge does it: a restart of the interpreter ends a run, and another one follows.
    const pulling = this.#puller.run(camera, signal).then(() => this.#puller.run(camera, signal));
    pulling.catch(() => undefined);
    await expect.poll(() => this.frames.length).toBe(wanted);
    fake.unplug();
    await expect(pulling).rejects.toMatchObject({ code: 'PORT_CLOSED' });
  }

  expectDelivered(captures: readonly Uint8Array[]): void {
    expect(this.frames.map(({ jpeg }) => Buffer.from(jpeg))).toEqual(
      captures.map((jpeg) => Buffer.from(jpeg)),
    );
  }
}

/** A camera on a USB line that was on before the host came. */
function camera(
  { clock }: Host,
  style: 'numbered' | 'vendor',
  captures: number,
): { fake: FakeCamera; channel: LatchedChannel } {
  const fake = new FakeCamera('usb', undefined, clock);
  return { fake, channel: new LatchedChannel(fake, { style, capture, captures }) };
}

describe.each(['numbered', 'vendor'] as const)('a %s channel', (style) => {
  it('the frame that was latched before the first host came is let go and counted', async () => {
    const host = new Host();
    const { fake, channel } = camera(host, style, 4);
    await host.pull(fake, 3);
    host.expectDelivered(channel.captured.slice(1));
    expect(host.drops).toEqual([['stale', 1]]);
  });

  it('a long absence makes it old, a short one does not', async () => {
    const host = new Host();
    const first = camera(host, style, 3);
    await host.pull(first.fake, 2);
    host.now += 900;
    const second = camera(host, style, 3);
    await host.pull(second.fake, 5);
    host.now += 60_000;
    const third = camera(host, style, 3);
    await host.pull(third.fake, 7);
    host.expectDelivered([
      ...first.channel.captured.slice(1),
      ...second.channel.captured,
      ...third.channel.captured.slice(1),
    ]);
    expect(host.drops).toEqual([
      ['stale', 1],
      ['stale', 1],
    ]);
  });

  it('with the policy to deliver, what was latched before a connection comes as well, once', async () => {
    const host = new Host('deliver');
    const first = camera(host, style, 3);
    await host.pull(first.fake, 3);
    host.now += 60_000;
    const second = camera(host, style, 2);
    await host.pull(second.fake, 5);
    host.expectDelivered([...first.channel.captured, ...second.channel.captured]);
    expect(host.drops).toEqual([]);
  });

  it('on a line that loses the answer to its release, it is let go once', async () => {
    const host = new Host();
    const { fake, channel } = camera(host, style, 4);
    let losses = 1;
    fake.damage = (packet, direction) => {
      const isLastByte = direction === 'to-host' && packet[5] === 0x26 && packet[6] === 1 && packet[7] === 0;
      if (!isLastByte || losses === 0) return packet;
      losses--;
      return undefined;
    };
    await host.pull(fake, 3);
    host.expectDelivered(channel.captured.slice(1));
    expect(host.drops).toEqual([['stale', 1]]);
  });

  it('a frame that is latched while the host is there is delivered, however late it is fetched', async () => {
    const host = new Host();
    const fake = new FakeCamera('usb', undefined, host.clock);
    let made: LatchedChannel | undefined;
    await host.pull(fake, 2, () => {
      // As the device does it when a script that was sent begins.
      fake.device.sendEvent(0, SystemEvent.SOFT_REBOOT, false, 0);
      fake.device.reset();
      fake.device.unregisterDynamic();
      made = new LatchedChannel(fake, { style, capture, captures: 2 });
    });
    host.expectDelivered(made!.captured);
    expect(host.drops).toEqual([]);
  });
});

it('a camera with nothing latched yet loses nothing', async () => {
  const host = new Host();
  const fake = new FakeCamera('usb', undefined, host.clock);
  let latched = false;
  let looks = 0;
  const jpeg = capture(1);
  fake.device.register({
    name: 'frame',
    flags: 1,
    shape: () => {
      latched = ++looks === 3;
      return [latched ? jpeg.length : 0, 32, 24, 1];
    },
    readp: (offset, length) => jpeg.subarray(offset, offset + length),
  });
  await host.pull(fake, 1);
  host.expectDelivered([jpeg]);
  expect(host.drops).toEqual([]);
});

it.each(['numbered', 'vendor'] as const)(
  '%s: a line that ends in the release has given the frame once',
  async (style) => {
    const host = new Host();
    const first = camera(host, style, 3);
    const captured = first.channel.captured;
    let releases = 0;
    first.fake.damage = (packet, direction) => {
      const isRelease =
        direction === 'to-camera' && packet[5] === 0x26 && packet[14] === 1 && packet[15] === 0;
      // The second frame's: the first one is stale.
      if (isRelease && ++releases === 2) {
        host.clock.after(0, () => first.fake.unplug());
        return undefined;
      }
      return packet;
    };
    await host.pull(first.fake, 1);
    host.expectDelivered([captured[1]!]);
    expect(host.drops).toEqual([['stale', 1]]);
    // The same script goes on: its latch still holds what was delivered.
    const again = new FakeCamera('usb', undefined, host.clock);
    let number = 2;
    again.device.register({
      name: 'frame',
      flags: 1,
      poll: () => true,
      size: () => capture(number).length,
      readp: (offset, length) => {
        const bytes = capture(number);
        if (offset + length === bytes.length) number++;
        return bytes.subarray(offset, offset + length);
      },
      ...(style === 'numbered' ? { shape: () => [capture(number).length, 32, 24, number] } : {}),
    });
    again.damage = (packet) => (host.frames.length < 3 ? packet : undefined);
    await host.pull(again, 3);
    host.expectDelivered([capture(2), capture(3), capture(4)]);
  },
);
