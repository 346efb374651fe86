/**
 * A camera of a few lines: the real device machine behind an in-process line, its channels set by the test. For
 * faults that cannot be had from the virtual camera on demand, and where an interpreter would only cost time. It has a
 * virtual clock, which the Camera that is connected to it shares.
 */
import { Camera } from '../../src/camera/camera.js';
import { BridgeError } from '../../src/errors.js';
import type { ByteStream, ByteStreamHandlers, LineKind } from '../../src/link/byte-stream.js';
import { cameraOptionsSchema } from '../../src/options/index.js';
import { ChannelFlag } from '../../src/protocol/constants.js';
import { DeviceLink } from '../../src/virtual/device/device-link.js';
import type { DeviceChannel } from '../../src/virtual/device/device-types.js';
import { packetsOf } from './packets-of.js';
import { TEST_INFO, testIdentity } from './test-identity.js';
import { VirtualClock } from './virtual-clock.js';

/** How long a packet takes. */
const LATENCY_MS = 0.2;

/** What a test does to a packet on its way: returns the bytes that arrive, none for a lost packet. */
export type Damage = (packet: Uint8Array, direction: 'to-host' | 'to-camera') => Uint8Array | undefined;

export class FakeCamera implements ByteStream {
  readonly name = 'fake';
  readonly kind: LineKind;
  readonly device: DeviceLink;
  readonly clock: VirtualClock;
  damage: Damage = (packet) => packet;
  /** Whether a script runs; its channels answer all the same. */
  running = true;
  deviceId: readonly [number, number, number] = [0x44494130, 0x2d494d31, 0x4a53414d];
  #handlers: ByteStreamHandlers | undefined;
  #closed = false;
  /** Ends the wait for the machine's deadline. */
  #cancelTick: (() => void) | undefined;

  constructor(kind: LineKind = 'virtual', maxPayload = 4_082, clock = new VirtualClock()) {
    this.kind = kind;
    this.clock = clock;
    this.device = new DeviceLink({
      maxPayload,
      identity: {
        ...testIdentity(() => this.unplug()),
        systemInfo: () => ({ ...TEST_INFO, deviceId: this.deviceId }),
        memory: () => [{ type: 'gc', flags: 0, total: 1_000, used: 400, free: 600, persist: 0, peak: 0 }],
      },
      transmit: (packet) => this.#send(packet.slice()),
    });
    const builtIn = (name: string, flags: number, extra: Partial<DeviceChannel> = {}): DeviceChannel => ({
      name,
      flags,
      ...extra,
    });
    this.device.register(builtIn('usb', ChannelFlag.PHYSICAL), 0);
    this.device.register(
      builtIn('stdin', ChannelFlag.WRITE, {
        poll: () => this.running,
        ioctl: () => 0,
        write: (_offset, data) => data.length,
      }),
      1,
    );
    this.device.register(builtIn('stdout', ChannelFlag.READ, { size: () => 0, read: () => undefined }), 2);
    this.device.register(builtIn('stream', ChannelFlag.READ), 3);
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers;
  }

  write(bytes: Uint8Array): void {
    // Packets that go together in one write meet their faults one by one.
    for (const packet of packetsOf(bytes)) this.#receive(packet.slice());
  }

  #receive(packet: Uint8Array): void {
    const arrived = this.damage(packet, 'to-camera');
    if (!arrived || this.#closed) return;
    this.clock.after(LATENCY_MS, () => {
      if (!this.#closed) this.device.receive(arrived, this.clock.now());
      this.#arm();
    });
  }

  close(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  /** The cable is pulled. */
  unplug(): void {
    this.#end(new BridgeError('PORT_CLOSED', 'The camera was unplugged.'));
  }

  #send(packet: Uint8Array): void {
    const arrived = this.damage(packet, 'to-host');
    if (!arrived || this.#closed) return;
    this.clock.after(LATENCY_MS, () => {
      if (!this.#closed) this.#handlers?.data(arrived);
    });
  }

  #arm(): void {
    this.#cancelTick?.();
    const deadline = this.#closed ? undefined : this.device.deadline();
    this.#cancelTick =
      deadline === undefined
        ? undefined
        : this.clock.after(deadline - this.clock.now(), () => {
            this.device.tick(this.clock.now());
            this.#arm();
          });
  }

  #end(error?: BridgeError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTick?.();
    this.#handlers?.closed(error);
  }
}

/** A connected camera on a fake line. */
export async function connectFake(fake: FakeCamera, options: Record<string, unknown> = {}): Promise<Camera> {
  const camera = new Camera(
    fake,
    'fake',
    cameraOptionsSchema.parse({ port: 'fake', ...options }),
    fake.clock,
  );
  await camera.open();
  return camera;
}
