/** The host's connection to a virtual camera: a byte stream like a serial port's, in process. */
import type { BridgeError } from '../../errors.js';
import type { ByteStream, ByteStreamHandlers } from '../../link/index.js';
import type { LineFaults } from './faults.js';
import type { HostEnd } from './host-end.js';
import { LinePacer } from './line-pacer.js';

export class VirtualLine implements ByteStream {
  readonly name = 'virtual';
  readonly kind = 'virtual';
  readonly #host: HostEnd;
  readonly #faults: LineFaults | undefined;
  readonly #released: () => void;
  readonly #toHost: LinePacer;
  readonly #toCamera: LinePacer;
  #handlers: ByteStreamHandlers | undefined;
  #ended = false;
  #reported = false;
  #error: BridgeError | undefined;

  /** `released` is called once, when the camera may be connected again. */
  constructor(host: HostEnd, faults: LineFaults | undefined, released: () => void) {
    this.#host = host;
    this.#faults = faults;
    this.#released = released;
    const throttle = faults?.throttle ?? 0;
    this.#toHost = new LinePacer(throttle);
    this.#toCamera = new LinePacer(throttle);
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
    if (!this.#faults) {
      this.#host.write(bytes);
      return;
    }
    const send = (good: Uint8Array): void => this.#host.write(good);
    this.#faults.toCamera.push(bytes, (good, lateMs = 0) => this.#toCamera.push(good, lateMs, send));
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
      if (this.#faults)
        this.#faults.toHost.push(bytes, (good, lateMs = 0) => this.#toHost.push(good, lateMs, hand));
      else hand(bytes);
      return !this.#ended;
    });
  }

  /** The line is over, by our own `close` or, with an error, because the camera went away. */
  end(error: BridgeError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#toHost.reset();
    this.#toCamera.reset();
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
