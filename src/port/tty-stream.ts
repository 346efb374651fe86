import { closeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadStream } from 'node:tty';
import type { SerialPort } from 'serialport';
import { BridgeError } from '../errors.js';
import type { ByteStream, ByteStreamHandlers, LineKind } from '../link/byte-stream.js';
import { Delivery } from './delivery.js';
import { FdWriter } from './fd-writer.js';
import { portHungUp, portStuck } from './port-errors.js';
import { closeSerialPort } from './serialport-close.js';
import { discardOutput, makeExclusive, makeShared, unsentBytes } from './tty-control.js';
import { readTty } from './tty-reader.js';

/** What may wait for a peer that does not read. */
export const WRITE_LIMIT = 1024 * 1024;

/** How long a close waits for bytes that are still on their way out. */
const LINGER_MS = 100;
const LINGER_STEP_MS = 5;

/** Errors that say the device behind the descriptor is gone. */
const GONE = new Set(['EIO', 'ENXIO', 'ENODEV', 'EBADF', 'EPIPE']);

/** What an open tty consists of. */
export interface OpenTty {
  readonly name: string;
  readonly kind: LineKind;
  /** Opened, configured and locked; nobody reads from it. */
  readonly port: SerialPort;
  /** A second descriptor of the same device. The stream closes it. */
  readonly fd: number;
}

/**
 * A byte stream over a tty: the event loop itself watches and reads the second descriptor, into one buffer that is
 * used again and again. `serialport` would read through its thread pool, at twice the CPU, and on a hang-up in
 * mid-stream mostly spins instead of closing.
 */
export class TtyStream implements ByteStream {
  readonly name: string;
  readonly kind: LineKind;
  readonly #port: SerialPort;
  readonly #fd: number;
  readonly #reader: ReadStream;
  readonly #writer: FdWriter;
  readonly #delivery = new Delivery();
  #release: Promise<void> | undefined;

  /** Takes over the port and the descriptor. Throws what making a reader throws, and has closed nothing then. */
  constructor(tty: OpenTty) {
    this.name = tty.name;
    this.kind = tty.kind;
    this.#port = tty.port;
    this.#fd = tty.fd;
    this.#reader = readTty(tty.fd, (chunk) => this.#delivery.data(chunk));
    this.#reader.on('end', () => this.#fail(portHungUp(this.name)));
    this.#reader.on('error', (error) => this.#fail(portHungUp(this.name, error)));
    this.#reader.on('close', () => this.#fail(portHungUp(this.name)));
    this.#writer = new FdWriter(tty.fd, WRITE_LIMIT, (error) => this.#fail(this.#writeError(error)));
    // Only now, because it would refuse the reader's opening too. Not on a pty, which outlives its openings and
    // would keep the mark after us.
    if (tty.kind !== 'pty') makeExclusive(tty.fd);
  }

  start(handlers: ByteStreamHandlers): void {
    this.#delivery.start(handlers);
    if (!this.#delivery.ended) this.#reader.resume();
  }

  write(bytes: Uint8Array): void {
    if (this.#delivery.ended) return;
    if (!this.#writer.write(bytes)) this.#fail(portStuck(this.name, WRITE_LIMIT));
  }

  close(): Promise<void> {
    const orderly = this.#delivery.end();
    this.#release ??= this.#free(orderly);
    return this.#release;
  }

  #fail(error: BridgeError): void {
    if (this.#delivery.end(error)) this.#release ??= this.#free(false);
  }

  #writeError(error: NodeJS.ErrnoException): BridgeError {
    if (GONE.has(error.code ?? '')) return portHungUp(this.name, error);
    return new BridgeError('PORT_FAILED', `Writing to ${this.name} failed: ${error.message}.`, {
      context: { path: this.name },
      cause: error,
    });
  }

  async #free(orderly: boolean): Promise<void> {
    if (orderly) await this.#linger();
    const closed = new Promise<void>((resolve) => {
      if (this.#reader.closed) resolve();
      else this.#reader.once('close', () => resolve());
    });
    this.#reader.destroy();
    await Promise.all([closed, this.#writer.stop()]);
    if (unsentBytes(this.#fd) > 0) discardOutput(this.#fd);
    if (this.kind !== 'pty') makeShared(this.#fd);
    // Not the last descriptor: closing a tty for good may wait, and serialport does that off the event loop.
    closeSync(this.#fd);
    await closeSerialPort(this.#port);
  }

  /** Lets the last packets out, a reset command for example, but never waits for a camera that does not read. */
  async #linger(): Promise<void> {
    for (let waited = 0; waited < LINGER_MS; waited += LINGER_STEP_MS) {
      if (this.#writer.queued === 0 && unsentBytes(this.#fd) === 0) return;
      await delay(LINGER_STEP_MS);
    }
  }
}
