import { BridgeError } from '../errors.js';
import type { ByteStream, ByteStreamHandlers, LineKind } from '../link/index.js';

/**
 * What the streams of this room share: chunks go to the handlers until the end, and the end exactly once. The end is
 * reported from the microtask queue, so never from inside a `write` or `close` of the one who is told.
 */
export abstract class PortStream implements ByteStream {
  #handlers: ByteStreamHandlers | undefined;
  #end: { readonly error: BridgeError | undefined } | undefined;

  constructor(
    readonly name: string,
    readonly kind: LineKind,
  ) {}

  abstract write(bytes: Uint8Array): void;
  abstract close(): Promise<void>;

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** The error that ended the stream, if one did. */
  get error(): BridgeError | undefined {
    return this.#end?.error;
  }

  start(handlers: ByteStreamHandlers): void {
    if (this.#handlers) throw new BridgeError('INTERNAL', 'A byte stream was started twice.');
    this.#handlers = handlers;
    if (this.#end) this.#report();
  }

  protected deliver(chunk: Uint8Array): void {
    if (!this.#end) this.#handlers?.data(chunk);
  }

  /** The first call settles how the stream ended; answers whether this was it. */
  protected end(error?: BridgeError): boolean {
    if (this.#end) return false;
    this.#end = { error };
    if (this.#handlers) this.#report();
    return true;
  }

  #report(): void {
    queueMicrotask(() => this.#handlers?.closed(this.#end?.error));
  }
}
