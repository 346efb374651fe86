import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { PollEntry } from '../libc.js';
import { ByteQueue } from './byte-queue.js';

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

  /** Forgets what is queued. */
  clear(): void {
    this.#queue.clear();
  }

  /** Writes nothing more. Resolves when no wait uses the descriptor any longer; it may be closed then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.clear();
    await this.#draining;
  }

  /** Bytes the descriptor took, all or those before it was full. */
  #send(bytes: Uint8Array): number {
    let sent = 0;
    while (sent < bytes.length) {
      try {
        const taken = writeSync(this.#fd, bytes, sent, bytes.length - sent);
        if (taken === 0) break;
        sent += taken;
      } catch (caught) {
        const error = caught as NodeJS.ErrnoException;
        if (error.code === 'EINTR') continue;
        if (!RETRY.has(error.code ?? '')) this.#fail(error);
        break;
      }
    }
    return sent;
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.#stopped = true;
    this.clear();
    this.#failed(error);
  }

  async #drain(): Promise<void> {
    while (this.queued > 0) {
      if (await this.#poll.writable(WAIT_MS)) this.#sendQueue();
      // A peer that does not read must not keep one of the few pool threads for itself.
      else if (this.queued > 0) await delay(WAIT_MS);
    }
    this.#draining = undefined;
  }

  #sendQueue(): void {
    while (this.queued > 0) {
      const next = this.#queue.peek();
      const sent = this.#send(next);
      if (this.#stopped) return;
      this.#queue.drop(sent);
      if (sent < next.length) return;
    }
  }
}
