import { writeSync } from 'node:fs';
import type { ConnectOpts, SocketConstructorOpts } from 'node:net';
import { ReadStream } from 'node:tty';
import { pause } from '../async.js';
import { PollEntry } from '../libc.js';
import { ByteQueue } from './byte-queue.js';

/** One read of a tty seldom brings more than 8 KiB. */
const READ_BUFFER = 64 * 1024;

/**
 * Has the event loop watch and read a tty's descriptor into one buffer that is used again and again: a chunk is
 * valid only during the call. Begins with `resume()`; ends in 'close', after 'end' or 'error' when the line broke.
 *
 * A slave is opened once more by its name, nonblocking, and put on the descriptor's number, which stays the
 * caller's to close. A master's descriptor is taken over and closed with the reader.
 */
export function readTty(fd: number, onBytes: (chunk: Uint8Array) => void): ReadStream {
  const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> = {
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BUFFER),
      callback: (length, buffer) => {
        onBytes(buffer.subarray(0, length));
        return true;
      },
    },
  };
  return new ReadStream(fd, options);
}

/** How long one wait may hold a pool thread, and the pause after a wait that found no room. */
const WAIT_MS = 20;

/** Errors after which trying again later makes sense. */
const RETRY = new Set(['EAGAIN', 'EWOULDBLOCK', 'EINTR', 'ENOBUFS']);

/**
 * Writes to a nonblocking descriptor at once, inside the call: a request leaves without a turn of the event
 * loop. What the peer does not take is copied into a bounded queue and follows when it has room.
 */
export class FdWriter {
  readonly #fd: number;
  readonly #limit: number;
  readonly #failed: (error: NodeJS.ErrnoException) => void;
  readonly #poll: PollEntry;
  readonly #queue = new ByteQueue();
  #stopped = false;
  #draining: Promise<void> | undefined;

  /** `limit`: bytes the queue may hold. `failed` is called once, from inside a write or later. */
  constructor(fd: number, limit: number, failed: (error: NodeJS.ErrnoException) => void) {
    this.#fd = fd;
    this.#limit = limit;
    this.#failed = failed;
    this.#poll = new PollEntry(fd);
  }

  /** Bytes waiting for the peer. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Sends or queues; `bytes` are the caller's again when it returns. false: the queue has no room for them. */
  write(bytes: Uint8Array): boolean {
    if (this.#stopped) return true;
    const sent = this.queued === 0 ? this.#send(bytes) : 0;
    if (this.#stopped || sent === bytes.length) return true;
    if (this.queued + bytes.length - sent > this.#limit) return false;
    this.#queue.push(bytes.subarray(sent));
    this.#draining ??= this.#drain();
    return true;
  }

  /** Writes nothing more. Resolves when no wait uses the descriptor any longer; it may be closed then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.clear();
    await this.#draining;
  }

  /** Bytes the descriptor took, all or those before it was full. */
  #send(bytes: Uint8Array): number {
    let sent = 0;
    try {
      while (sent < bytes.length) {
        const taken = writeSync(this.#fd, bytes, sent, bytes.length - sent);
        if (taken === 0) break;
        sent += taken;
      }
    } catch (caught) {
      const error = caught as NodeJS.ErrnoException;
      if (!RETRY.has(error.code ?? '')) {
        void this.stop();
        this.#failed(error);
      }
    }
    return sent;
  }

  async #drain(): Promise<void> {
    while (this.queued > 0) {
      if (await this.#poll.writable(WAIT_MS)) this.#queue.drop(this.#send(this.#queue.peek()));
      // A peer that does not read must not keep one of the few pool threads for itself.
      else if (this.queued > 0) await pause(WAIT_MS);
    }
    this.#draining = undefined;
  }
}
