/** The host's connection to a virtual camera: a byte stream like a serial port's, in process. */
import type { BridgeError } from '../errors.js';
import type { ByteStream, ByteStreamHandlers } from '../link/byte-stream.js';
import type { LineFaults } from './faults.js';
import type { HostEnd } from './host-end.js';

export class VirtualLine implements ByteStream {
  readonly name = 'virtual';
  readonly kind = 'virtual';
  readonly #host: HostEnd;
  readonly #faults: LineFaults | undefined;
  readonly #released: () => void;
  #handlers: ByteStreamHandlers | undefined;
  #ended = false;
  #reported = false;
  #error: BridgeError | undefined;

  /** `released` is called once, when the camera may be connected again. */
  constructor(host: HostEnd, faults: LineFaults | undefined, released: () => void) {
    this.#host = host;
    this.#faults = faults;
    this.#released = released;
    faults?.disarm();
    host.setHost(true);
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers;
    // Not from within this call: the caller is not ready for bytes before it returns.
    queueMicrotask(() => {
      if (this.#ended) this.#report();
      else this.deliver(this.#host.awake());
    });
  }

  write(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#faults) this.#faults.toCamera.push(bytes, (good) => this.#host.write(good));
    else this.#host.write(bytes);
  }

  close(): Promise<void> {
    this.end(undefined);
    return Promise.resolve();
  }

  /** Hands over what the camera has sent up to a position; before `start` it stays where it is. */
  deliver(to: number): void {
    const handlers = this.#handlers;
    if (!handlers) return;
    const hand = (bytes: Uint8Array): void => {
      if (!this.#ended) handlers.data(bytes);
    };
    this.#host.read(to, (bytes) => {
      if (this.#faults) this.#faults.toHost.push(bytes, hand);
      else hand(bytes);
      return !this.#ended;
    });
  }

  /** The line is over, by our own `close` or, with an error, because the camera went away. */
  end(error: BridgeError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#host.setHost(false);
    this.#released();
    this.#report();
  }

  #report(): void {
    const handlers = this.#handlers;
    if (!handlers || this.#reported) return;
    this.#reported = true;
    handlers.closed(this.#error);
  }
}
