import { BridgeError } from '../errors.js';
import type { ByteStream, ByteStreamHandlers, LineKind } from '../link/byte-stream.js';
import { Delivery } from './delivery.js';

/** Bytes that may gather between the end of the probe and `start()`. */
const HELD_LIMIT = 1024 * 1024;

/**
 * A byte stream in front of another one, which is started already: whoever looks at the first bytes gets them,
 * and from `release()` on they are kept for the handlers that `start()` will name.
 */
export class StreamTap implements ByteStream {
  readonly name: string;
  readonly kind: LineKind;
  readonly #inner: ByteStream;
  readonly #delivery = new Delivery();
  #looker: ((chunk: Uint8Array) => void) | undefined;
  #onEnd: (() => void) | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #started = false;

  constructor(inner: ByteStream, looker: (chunk: Uint8Array) => void, onEnd: () => void) {
    this.name = inner.name;
    this.kind = inner.kind;
    this.#inner = inner;
    this.#looker = looker;
    this.#onEnd = onEnd;
    inner.start({
      data: (chunk) => this.#data(chunk),
      closed: (error) => {
        this.#delivery.end(error);
        this.#onEnd?.();
      },
    });
  }

  get ended(): boolean {
    return this.#delivery.ended;
  }

  get error(): BridgeError | undefined {
    return this.#delivery.error;
  }

  /** Ends the looking; `unread` are bytes of the last chunk that belong to the one who takes the stream over. */
  release(unread: Uint8Array): void {
    this.#looker = undefined;
    this.#onEnd = undefined;
    if (unread.length > 0) this.#hold(unread);
  }

  start(handlers: ByteStreamHandlers): void {
    // Bytes that came before the end go out even when the end has come already.
    for (const chunk of this.#held) handlers.data(chunk);
    this.#held = [];
    this.#started = true;
    this.#delivery.start(handlers);
  }

  write(bytes: Uint8Array): void {
    this.#inner.write(bytes);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #data(chunk: Uint8Array): void {
    if (this.#looker) this.#looker(chunk);
    else if (this.#started) this.#delivery.data(chunk);
    else this.#hold(chunk);
  }

  #hold(chunk: Uint8Array): void {
    if (this.#delivery.ended) return;
    this.#heldBytes += chunk.length;
    if (this.#heldBytes <= HELD_LIMIT) {
      this.#held.push(Uint8Array.from(chunk));
      return;
    }
    this.#delivery.end(
      new BridgeError('PORT_FAILED', `${this.name} sent ${HELD_LIMIT} bytes that nobody took.`, {
        context: { path: this.name, limit: HELD_LIMIT },
      }),
    );
    void this.#inner.close();
  }
}
