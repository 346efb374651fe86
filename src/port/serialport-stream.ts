import type { SerialPort } from 'serialport';
import type { BridgeError } from '../errors.js';
import type { ByteStreamHandlers, LineKind } from '../link/index.js';
import { portHungUp, portStuck } from './port-errors.js';
import { PortStream } from './port-stream.js';

/** Bytes that may wait for a camera that does not read. */
export const WRITE_LIMIT = 1024 * 1024;

/** Opens a `serialport` port made with `autoOpen: false`. */
export function openPort(port: SerialPort): Promise<void> {
  return new Promise((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
}

/** Closes a `serialport` port in any state. Never fails: a port that is not open gives its callback an error. */
export function closePort(port: SerialPort): Promise<void> {
  return new Promise((resolve) => port.close(() => resolve()));
}

/**
 * A byte stream over the `serialport` package's own reads and writes: for Windows, where a serial port is no
 * descriptor that the event loop could watch.
 */
export class SerialportStream extends PortStream {
  readonly #port: SerialPort;
  #release: Promise<void> | undefined;

  /** Takes over an open port that nothing reads from yet. */
  constructor(name: string, kind: LineKind, port: SerialPort) {
    super(name, kind);
    this.#port = port;
    const fail = (error: Error | null): void => void this.close(portHungUp(name, error ?? undefined));
    port.on('error', fail);
    port.on('close', fail);
  }

  override start(handlers: ByteStreamHandlers): void {
    super.start(handlers);
    if (!this.ended) this.#port.on('data', (chunk: Buffer) => this.deliver(chunk));
  }

  write(bytes: Uint8Array): void {
    if (this.ended) return;
    if (this.#port.writableLength + bytes.length <= WRITE_LIMIT) this.#port.write(Buffer.from(bytes));
    else void this.close(portStuck(this.name, WRITE_LIMIT));
  }

  close(error?: BridgeError): Promise<void> {
    this.end(error);
    this.#release ??= closePort(this.#port);
    return this.#release;
  }
}
