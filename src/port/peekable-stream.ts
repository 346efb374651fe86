import { BridgeError } from '../errors.js';
import type { ByteStream, ByteStreamHandlers } from '../link/index.js';
import { PortStream } from './port-stream.js';

/** Bytes that may gather between `release()` and `start()`. */
const HELD_LIMIT = 1024 * 1024;

/** A started byte stream whose first bytes go to `peek`. From `release()` on they are kept for `start()`'s handlers. */
export class PeekableStream extends PortStream {
  readonly #inner: ByteStream;
  #take: (chunk: Uint8Array) => void;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  /** `ended`: called when the stream is over; the properties `ended` and `error` say so from then on. */
  constructor(inner: ByteStream, peek: (chunk: Uint8Array) => void, ended: () => void) {
    super(inner.name, inner.kind);
    this.#inner = inner;
    this.#take = peek;
    inner.start({
      data: (chunk) => this.#take(chunk),
      closed: (error) => {
        this.end(error);
        ended();
      },
    });
  }

  /** Ends the peeking. `unread`: bytes of the last chunk that belong to the one who starts the stream. */
  release(unread: Uint8Array): void {
    this.#take = (chunk) => this.#hold(chunk);
    this.#hold(unread);
  }

  override start(handlers: ByteStreamHandlers): void {
    // Bytes that came before the end go out even when the end has come already.
    for (const chunk of this.#held) handlers.data(chunk);
    this.#held = [];
    this.#take = (chunk) => this.deliver(chunk);
    super.start(handlers);
  }

  write(bytes: Uint8Array): void {
    this.#inner.write(bytes);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #hold(chunk: Uint8Array): void {
    if (this.ended || chunk.length === 0) return;
    this.#heldBytes += chunk.length;
    if (this.#heldBytes <= HELD_LIMIT) {
      this.#held.push(Uint8Array.from(chunk));
      return;
    }
    const message = `${this.name} sent more than ${HELD_LIMIT} bytes before they were asked for.`;
    this.end(new BridgeError('PORT_FAILED', message, { context: { path: this.name, limit: HELD_LIMIT } }));
    void this.#inner.close();
  }
}
