import type { SerialPort } from 'serialport';
import type { ByteStream, ByteStreamHandlers, LineKind } from '../link/byte-stream.js';
import { Delivery } from './delivery.js';
import { portHungUp, portStuck } from './port-errors.js';
import { closeSerialPort } from './serialport-close.js';
import { WRITE_LIMIT } from './tty-stream.js';

/**
 * A byte stream over the `serialport` package's own reads and writes: for Windows, where a serial port is no
 * descriptor that the event loop could watch.
 */
export class SerialportStream implements ByteStream {
  readonly #port: SerialPort;
  readonly #delivery = new Delivery();
  #release: Promise<void> | undefined;

  /** Takes over an open port that nobody reads from yet. */
  constructor(
    readonly name: string,
    readonly kind: LineKind,
    port: SerialPort,
  ) {
    this.#port = port;
    port.on('error', (error: Error) => this.#fail(error));
    port.on('close', (error: Error | null) => this.#fail(error ?? undefined));
  }

  start(handlers: ByteStreamHandlers): void {
    this.#delivery.start(handlers);
    if (!this.#delivery.ended) this.#port.on('data', (chunk: Buffer) => this.#delivery.data(chunk));
  }

  write(bytes: Uint8Array): void {
    if (this.#delivery.ended) return;
    if (this.#port.writableLength + bytes.length > WRITE_LIMIT) {
      if (this.#delivery.end(portStuck(this.name, WRITE_LIMIT))) this.#free();
      return;
    }
    this.#port.write(Buffer.from(bytes));
  }

  close(): Promise<void> {
    this.#delivery.end();
    return this.#free();
  }

  #fail(cause: Error | undefined): void {
    if (this.#delivery.end(portHungUp(this.name, cause))) this.#free();
  }

  #free(): Promise<void> {
    this.#release ??= closeSerialPort(this.#port);
    return this.#release;
  }
}
