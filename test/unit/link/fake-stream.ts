/** A byte stream in memory with a device machine at its other end; bytes arrive in later turns of the event loop. */
import { BridgeError } from '../../../src/errors.js';
import type { ByteStream, ByteStreamHandlers } from '../../../src/link/byte-stream.js';
import { DeviceLink } from '../../../src/virtual/device/device-link.js';
import { packetsOf } from '../../fakes/packets-of.js';
import { testIdentity } from '../../fakes/test-identity.js';

export class FakeStream implements ByteStream {
  readonly name = 'fake';
  readonly kind = 'virtual';
  readonly device: DeviceLink;
  /** Nothing passes any more, in neither direction. */
  mute = false;
  writes = 0;
  closes = 0;
  #handlers: ByteStreamHandlers | undefined;

  constructor(maxPayload = 4082) {
    this.device = new DeviceLink({
      identity: testIdentity(),
      maxPayload,
      transmit: (packet) => {
        const bytes = packet.slice();
        setImmediate(() => this.feed(bytes));
      },
    });
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers;
  }

  write(bytes: Uint8Array): void {
    this.writes++;
    for (const packet of packetsOf(bytes)) this.packet(packet);
  }

  /** One packet of a write. */
  protected packet(packet: Uint8Array): void {
    const copy = packet.slice();
    setImmediate(() => {
      if (!this.mute) this.device.receive(copy, performance.now());
    });
  }

  async close(): Promise<void> {
    this.closes++;
    this.end();
  }

  /** Bytes from the camera. */
  feed(bytes: Uint8Array): void {
    if (!this.mute) this.#handlers?.data(bytes);
  }

  /** The line ends, as by a pulled cable when there is an error. */
  end(error?: BridgeError): void {
    const handlers = this.#handlers;
    this.#handlers = undefined;
    handlers?.closed(error);
  }

  unplug(): void {
    this.end(new BridgeError('PORT_CLOSED', 'The camera was unplugged.'));
  }
}
