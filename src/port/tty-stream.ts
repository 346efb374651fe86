import { closeSync } from 'node:fs';
import type { ReadStream } from 'node:tty';
import type { SerialPort } from 'serialport';
import { pause } from '../async.js';
import type { BridgeError } from '../errors.js';
import type { ByteStreamHandlers, LineKind } from '../link/index.js';
import { portHungUp, portStuck, writingFailed } from './port-errors.js';
import { PortStream } from './port-stream.js';
import { closePort, WRITE_LIMIT } from './serialport-stream.js';
import { discardOutput, makeExclusive, makeShared, unsentBytes } from './tty-control.js';
import { FdWriter, readTty } from './tty-io.js';

/** How long a close waits for bytes that are still on their way out. */
const LINGER_MS = 100;
const LINGER_STEP_MS = 5;

/** Errors that say the device behind the descriptor is gone. */
const GONE = new Set(['EIO', 'ENXIO', 'ENODEV', 'EBADF', 'EPIPE']);

/**
 * A byte stream over a tty: the event loop itself watches and reads the second descriptor, into one buffer that is
 * used again and again. `serialport` would read through its thread pool, at twice the CPU, and on a hang-up in
 * mid-stream mostly spins instead of closing.
 */
export class TtyStream extends PortStream {
  readonly #port: SerialPort;
  readonly #fd: number;
  readonly #reader: ReadStream;
  readonly #writer: FdWriter;
  #release: Promise<void> | undefined;

  /**
   * Takes over `port` (opened, configured, locked, not read from) and `fd`, a second descriptor of the same device.
   * Throws what making a reader throws, and has closed nothing then.
   */
  constructor(name: string, kind: LineKind, port: SerialPort, fd: number) {
    super(name, kind);
    this.#port = port;
    this.#fd = fd;
    this.#reader = readTty(fd, (chunk) => this.deliver(chunk));
    for (const end of ['end', 'error', 'close']) {
      this.#reader.on(end, (cause: unknown) =>
        this.#fail(portHungUp(name, cause instanceof Error ? cause : undefined)),
      );
    }
    this.#writer = new FdWriter(fd, WRITE_LIMIT, (error) =>
      this.#fail(GONE.has(error.code ?? '') ? portHungUp(name, error) : writingFailed(name, error)),
    );
    // Only now, because it would refuse the reader's opening too. Not on a pty, which outlives its openings and
    // would keep the mark after us.
    if (kind !== 'pty') makeExclusive(fd);
  }

  override start(handlers: ByteStreamHandlers): void {
    super.start(handlers);
    if (!this.ended) this.#reader.resume();
  }

  write(bytes: Uint8Array): void {
    if (this.ended) return;
    if (!this.#writer.write(bytes)) this.#fail(portStuck(this.name, WRITE_LIMIT));
  }

  close(): Promise<void> {
    const orderly = this.end();
    this.#release ??= this.#free(orderly);
    return this.#release;
  }

  #fail(error: BridgeError): void {
    if (this.end(error)) this.#release ??= this.#free(false);
  }

  async #free(orderly: boolean): Promise<void> {
    // Lets the last packets out, a reset command for example, but never waits for a camera that does not read.
    for (let waited = 0; orderly && waited < LINGER_MS; waited += LINGER_STEP_MS) {
      if (this.#writer.queued === 0 && unsentBytes(this.#fd) === 0) break;
      await pause(LINGER_STEP_MS);
    }
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
    await closePort(this.#port);
  }
}
