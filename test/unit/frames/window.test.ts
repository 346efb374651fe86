/** Frames through the window of the bundled script: one fault a test, and what it costs. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Camera } from '../../../src/camera/camera.js';
import type { BridgeError } from '../../../src/errors.js';
import { FramePuller } from '../../../src/frames/frame-puller.js';
import type { DropReason, PulledFrame } from '../../../src/frames/source.js';
import { Opcode, SystemEvent } from '../../../src/protocol/constants.js';
import { connectFake, type Damage, FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { LatchedChannel, type LatchOptions } from '../../fakes/latched-channel.js';
import { prng } from '../../fakes/prng.js';
import { VirtualClock } from '../../fakes/virtual-clock.js';

const WINDOW = 0x2000_0000;
const RELEASE = 0x3000_0000;
const cameras: Camera[] = [];

afterEach(async () => {
  for (const camera of cameras.splice(0)) await camera.close();
});

const capture = (number: number): Uint8Array => fakeJpeg(number, 9_000 + ((number * 977) % 9_000));

interface Request {
  readonly opcode: number;
  /** Of a READ. */
  readonly offset: number;
  readonly length: number;
  readonly at: number;
  /** Frames delivered before it left. */
  readonly delivered: number;
}

/** A puller over one connection or several, and what it asked of the camera. */
class Pull {
  readonly frames: PulledFrame[] = [];
  readonly drops: Partial<Record<DropReason, number>> = {};
  readonly failures: BridgeError[] = [];
  readonly requests: Request[] = [];
  readonly clock = new VirtualClock();
  readonly puller: FramePuller;
  damage: Damage = (packet) => packet;
  fake!: FakeCamera;
  camera!: Camera;
  #wanted = 0;
  #end = new AbortController();

  constructor(policy?: 'drop' | 'deliver') {
    this.puller = new FramePuller(
      'frame',
      {
        frame: (frame) => {
          this.frames.push(frame);
          if (this.frames.length === this.#wanted) this.#end.abort();
        },
        dropped: (reason, count) => {
          this.drops[reason] = (this.drops[reason] ?? 0) + count;
        },
        failed: (error) => this.failures.push(error),
      },
      this.clock,
      policy,
    );
  }

  /** Connects to a camera with such a script. */
  async connect(
    options: Partial<LatchOptions> = {},
    settings: Record<string, unknown> = {},
    kind: 'virtual' | 'usb' = 'virtual',
    maxPayload?: number,
  ): Promise<LatchedChannel> {
    this.fake = new FakeCamera(kind, maxPayload, this.clock);
    const channel = new LatchedChannel(this.fake, {
      style: 'windowed',
      capture,
      captures: 1_000,
      ...options,
    });
    this.camera = await connectFake(this.fake, settings);
    cameras.push(this.camera);
    await this.camera.channels();
    this.fake.damage = (packet, direction) => {
      const arrives = this.damage(packet, direction);
      if (direction === 'to-camera' && (packet[4]! & 1) === 0) this.#note(packet);
      return arrives;
    };
    return channel;
  }

  /** Pulls until `wanted` frames have come in all. */
  async until(wanted: number): Promise<void> {
    this.#wanted = wanted;
    this.#end = new AbortController();
    const { signal } = this.#end;
    while (!signal.aborted) await this.puller.run(this.camera, signal);
  }

  #note(packet: Uint8Array): void {
    const view = new DataView(packet.buffer, packet.byteOffset);
    const read = packet[5] === Opcode.CHANNEL_READ;
    this.requests.push({
      opcode: packet[5]!,
      offset: read ? view.getUint32(10, true) : 0,
      length: read ? view.getUint32(14, true) : 0,
      at: this.clock.now(),
      delivered: this.frames.length,
    });
  }

  /** Each capture once, in order, but for those numbers. */
  expectCaptures({ captured }: LatchedChannel, without: readonly number[] = []): void {
    const expected = captured.filter((_, index) => !without.includes(index + 1)).slice(0, this.frames.length);
    expect(this.frames.map(({ jpeg }) => Buffer.from(jpeg))).toEqual(
      expected.map((jpeg) => Buffer.from(jpeg)),
    );
  }
}

const isRelease = ({ offset }: Request): boolean => offset >= RELEASE;
const isWindow = ({ offset }: Request): boolean => offset >= WINDOW && offset < RELEASE;

/** Damages the packets that `matches` picks, from the `from`th on, `times` times: they are lost. */
function loses(
  matches: Damage | ((packet: Uint8Array, toHost: boolean) => boolean),
  times = 1,
  from = 1,
): Damage {
  let seen = 0;
  return (packet, direction) => {
    if (!matches(packet, (direction === 'to-host') as never)) return packet;
    seen++;
    return seen >= from && seen < from + times ? undefined : packet;
  };
}

const offsetOf = (packet: Uint8Array): number =>
  packet[5] === Opcode.CHANNEL_READ && packet.length >= 18
    ? new DataView(packet.buffer, packet.byteOffset).getUint32(10, true)
    : 0;
const isEvent = (packet: Uint8Array, toHost: boolean): boolean =>
  toHost && packet[5] === Opcode.CHANNEL_EVENT;
const isReleaseRequest = (packet: Uint8Array, toHost: boolean): boolean =>
  !toHost && offsetOf(packet) >= RELEASE;
const isReleaseReply = (packet: Uint8Array, toHost: boolean): boolean =>
  toHost && packet[5] === Opcode.CHANNEL_READ && packet[6] === 1 && packet[7] === 0;
/** The first fragment of a window: its payload begins with the magic number. */
const isHeader = (packet: Uint8Array, toHost: boolean): boolean =>
  toHost &&
  packet[5] === Opcode.CHANNEL_READ &&
  packet[10] === 0x4f &&
  packet[11] === 0x4d &&
  packet[12] === 0x46;
/** Its second fragment. */
const isSecond = (packet: Uint8Array, toHost: boolean): boolean =>
  toHost && packet[5] === Opcode.CHANNEL_READ && packet.length > 4_000 && packet[10] !== 0x4f;

describe('the fast path', () => {
  it.each(['on', 'off'] as const)(
    'acks %s: one READ of the announced length and one release a frame',
    async (ack) => {
      const pull = new Pull();
      const channel = await pull.connect({}, { ack });
      await pull.until(45);
      pull.expectCaptures(channel);
      // Until a latch was seen open the puller may ask in vain.
      const later = pull.requests.filter(({ delivered }) => delivered >= 10 && delivered < 45);
      expect(later.filter((request) => !isWindow(request) && !isRelease(request))).toEqual([]);
      expect(later.filter(isWindow).length).toBe(35);
      expect(later.filter(isRelease).length).toBe(35);
      expect(pull.drops).toEqual({});
      for (const frame of pull.frames.slice(5)) {
        expect(frame.capturedErrorMs).toBeGreaterThanOrEqual(0);
        expect(frame.capturedAtMs! - frame.capturedErrorMs!).toBeLessThanOrEqual(frame.timestampMs);
      }
    },
  );

  it('the next READ leaves with the release, when its event is there already', async () => {
    const pull = new Pull();
    await pull.connect({ captureMs: 0.1 });
    await pull.until(40);
    const later = pull.requests.slice(20);
    const together = later.filter((request, index) => {
      const next = later[index + 1];
      return isRelease(request) && next !== undefined && isWindow(next) && next.at === request.at;
    });
    expect(together.length).toBeGreaterThan(15);
  });

  it('a frame is delivered before its release leaves', async () => {
    const pull = new Pull();
    const channel = await pull.connect();
    await pull.until(20);
    const releases = pull.requests.filter(isRelease);
    expect(releases.length).toBeGreaterThan(10);
    for (const { offset, delivered } of releases) {
      expect(delivered).toBeGreaterThanOrEqual(offset - RELEASE);
    }
    expect(channel.released.at(-1)).toBe(20);
  });

  it('frames of more than one READ', async () => {
    const big = (number: number): Uint8Array => fakeJpeg(number, 70_000 + number);
    for (const ack of ['on', 'off']) {
      const pull = new Pull();
      const channel = await pull.connect({ capture: big }, { ack }, 'virtual', 498);
      await pull.until(8);
      pull.expectCaptures(channel);
    }
  });

  it('a slow camera is not asked in vain', async () => {
    const pull = new Pull();
    const channel = await pull.connect({ captureMs: 100 });
    await pull.until(30);
    pull.expectCaptures(channel);
    expect(pull.requests.filter(({ delivered }) => delivered >= 10 && delivered < 30).length).toBe(40);
  });
});

describe('faults', () => {
  it('a lost event: SHAPE finds the frame, and the fast path goes on', async () => {
    const pull = new Pull();
    const channel = await pull.connect({ captureMs: 20 });
    await pull.until(5);
    pull.damage = loses(isEvent);
    await pull.until(20);
    pull.expectCaptures(channel);
    expect(pull.drops).toEqual({});
    const late = pull.requests.filter(({ delivered }) => delivered > 12);
    expect(late.filter(({ opcode }) => opcode === Opcode.CHANNEL_SHAPE)).toEqual([]);
  });

  it.each(['on', 'off'] as const)('acks %s: the request of a release is lost', async (ack) => {
    const pull = new Pull();
    const channel = await pull.connect({}, { ack });
    await pull.until(5);
    pull.damage = loses(isReleaseRequest, 3);
    await pull.until(30);
    pull.expectCaptures(channel);
    expect(pull.drops).toEqual({});
  });

  it.each(['on', 'off'] as const)('acks %s: the answer to a release is lost', async (ack) => {
    const pull = new Pull();
    const channel = await pull.connect({}, { ack });
    await pull.until(5);
    pull.damage = loses(isReleaseReply, 3);
    await pull.until(30);
    pull.expectCaptures(channel);
    expect(pull.drops).toEqual({});
  });

  it('the fragment with the header is lost: the frame is read again', async () => {
    const pull = new Pull();
    const channel = await pull.connect();
    await pull.until(5);
    pull.damage = loses(isHeader, 2);
    await pull.until(30);
    pull.expectCaptures(channel);
    expect(pull.drops).toEqual({});
  });

  it('another fragment is lost: it alone is read again, through the window', async () => {
    const pull = new Pull();
    const channel = await pull.connect();
    await pull.until(5);
    pull.requests.length = 0;
    pull.damage = loses(isSecond);
    await pull.until(15);
    pull.expectCaptures(channel);
    expect(pull.drops).toEqual({});
    expect(pull.puller.repairs).toBe(1);
    const again = pull.requests.filter(({ offset, length }) => offset > WINDOW && length === 4_082);
    expect(again.length).toBe(1);
    expect((again[0]!.offset - WINDOW) % 4_082).toBe(0);
  });

  it('a frame that the script gives up while it is repaired is counted, and the next ones come without polling', async () => {
    const pull = new Pull();
    const channel = await pull.connect({ captureMs: 20 });
    await pull.until(5);
    let times = 1;
    pull.damage = (packet, direction) => {
      if (times === 0 || !isSecond(packet, direction === 'to-host')) return packet;
      times--;
      channel.giveUp();
      return undefined;
    };
    await pull.until(30);
    const late = pull.requests.filter(({ delivered }) => delivered >= 10);
    expect(late.filter((request) => !isWindow(request) && !isRelease(request))).toEqual([]);
    const numbers = pull.frames.map(({ captureNumber }) => captureNumber!);
    expect(pull.drops).toEqual({ skipped: numbers.at(-1)! - 30 });
    for (const { captureNumber, jpeg } of pull.frames) {
      expect(Buffer.compare(jpeg, channel.captured[captureNumber! - 1]!)).toBe(0);
    }
  });

  it('an event that says too little: the rest is read; one that says too much: the frame is read by its SHAPE', async () => {
    for (const units of [-40, 40]) {
      const pull = new Pull();
      const channel = await pull.connect({ captureMs: 10 });
      await pull.until(5);
      let left = 3;
      const { device } = pull.fake;
      const sendEvent = device.sendEvent.bind(device);
      device.sendEvent = (id, event, wait, now) =>
        sendEvent(id, event >= 0x8000 && left-- > 0 ? event + units : event, wait, now);
      await pull.until(20);
      pull.expectCaptures(channel);
      expect(pull.drops).toEqual({});
    }
  });

  it('a header that is none: the window is not used any more, and told so once', async () => {
    const pull = new Pull();
    const channel = await pull.connect({ magic: 0x12345678 });
    await pull.until(20);
    pull.expectCaptures(channel);
    expect(pull.failures.map(({ code }) => code)).toEqual(['CAMERA_PROTOCOL']);
    expect(pull.requests.filter((request) => isWindow(request) && request.delivered > 3)).toEqual([]);
  });

  it('a script that is started again counts from 1', async () => {
    const pull = new Pull();
    const first = await pull.connect({ captures: 12 });
    await pull.until(10);
    pull.expectCaptures(first);
    pull.fake.device.sendEvent(0, SystemEvent.SOFT_REBOOT, false, pull.clock.now());
    pull.fake.device.reset();
    pull.fake.device.unregisterDynamic();
    const second = new LatchedChannel(pull.fake, {
      style: 'windowed',
      capture: (number) => fakeJpeg(number + 500, 12_000),
      captures: 1_000,
    });
    const before = pull.frames.length;
    await pull.until(before + 10);
    expect(pull.frames.slice(before).map(({ jpeg }) => Buffer.from(jpeg))).toEqual(
      second.captured.slice(0, 10).map((jpeg) => Buffer.from(jpeg)),
    );
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'a line that spoils packets, seed %i: every capture once or counted',
    async (seed) => {
      const random = prng(seed);
      const pull = new Pull();
      const channel = await pull.connect({ captureMs: random() * 4 }, { ack: seed % 3 === 0 ? 'on' : 'off' });
      pull.damage = (packet) => {
        if (random() >= 0.04) return packet;
        const kind = random();
        if (kind < 0.4) return undefined;
        if (kind < 0.6) return packet.subarray(0, Math.floor(random() * packet.length));
        const flipped = packet.slice();
        const at = Math.floor(random() * packet.length);
        flipped[at] = flipped[at]! ^ (1 << Math.floor(random() * 8));
        return flipped;
      };
      await pull.until(120);
      pull.expectCaptures(channel);
      expect(pull.drops).toEqual({});
    },
  );
});

describe('reconnections', () => {
  it('between a frame and its release: it has been delivered, and is not delivered again', async () => {
    const pull = new Pull();
    await pull.connect();
    await pull.until(5);
    pull.damage = (packet, direction) => {
      if (!isReleaseRequest(packet, direction === 'to-host')) return packet;
      pull.clock.after(0, () => pull.fake.unplug());
      return undefined;
    };
    await expect(pull.until(1_000)).rejects.toMatchObject({ code: 'PORT_CLOSED' });
    const delivered = pull.frames.length;
    expect(delivered).toBeGreaterThanOrEqual(6);
    expect(Buffer.compare(pull.frames.at(-1)!.jpeg, capture(delivered))).toBe(0);
    pull.damage = (packet) => packet;
    // The same script goes on: what was delivered is still latched, under its number.
    const channel = await pull.connect({ first: delivered });
    await pull.until(delivered + 5);
    const came = pull.frames.slice(delivered).map(({ jpeg }) => Buffer.from(jpeg));
    expect(came).toEqual(channel.captured.slice(1, 6).map((jpeg) => Buffer.from(jpeg)));
    expect(pull.drops).toEqual({});
    expect(pull.puller.stats.released).toBe(1);
  });

  it('two captures that waited while no host was there are old', async () => {
    const pull = new Pull();
    const channel = await pull.connect({ captureMs: 30 }, {}, 'usb');
    pull.clock.jump(60_000);
    await pull.until(5);
    expect(pull.drops.stale).toBeGreaterThanOrEqual(1);
    expect(pull.drops.stale).toBeLessThanOrEqual(2);
    pull.expectCaptures(channel, [1, 2].slice(0, pull.drops.stale));
  });

  it.each([
    ['a minute', 60_000],
    ['two days, in which its ticks began again often', 172_800_000],
  ])(
    'with the policy to deliver they come with the time at which they were captured: %s',
    async (_how, ms) => {
      const pull = new Pull('deliver');
      const channel = await pull.connect({ captureMs: 30, control: true }, {}, 'usb');
      pull.clock.jump(ms);
      await pull.until(5);
      pull.expectCaptures(channel);
      expect(pull.drops).toEqual({});
      const [first, , third] = pull.frames;
      const age = first!.timestampMs - first!.capturedAtMs!;
      expect(Math.abs(age - ms)).toBeLessThan(first!.capturedErrorMs! + 1_000);
      expect(first!.capturedErrorMs).toBeLessThan(ms * 501e-6 + 50);
      expect(third!.timestampMs - third!.capturedAtMs!).toBeLessThan(1_000);
    },
  );
});
