/** The main thread's end of the shared line. */
import { distance, type LineMemory, ringRead, ringWrite, Word } from './line-memory.js';

/** Bytes for the camera that wait beside a full ring; what exceeds them is lost. */
const MAX_PENDING = 1024 * 1024;
/** How often a full ring is looked at again. */
const RETRY_MS = 2;

export class HostEnd {
  readonly #control: Int32Array;
  readonly #toCamera: Uint8Array;
  readonly #toHost: Uint8Array;
  readonly #scratch = new Uint8Array(64 * 1024);
  /** The value of HOST whose first bytes have been found. */
  #markedHost = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #retry: NodeJS.Timeout | undefined;
  /** Bytes for the camera that were lost because it did not read for too long. */
  overflowed = 0;

  constructor(memory: LineMemory) {
    this.#control = new Int32Array(memory.control);
    this.#toCamera = new Uint8Array(memory.toCamera);
    this.#toHost = new Uint8Array(memory.toHost);
  }

  /** Makes the Worker look. */
  signal(): void {
    Atomics.add(this.#control, Word.SIGNAL, 1);
    Atomics.notify(this.#control, Word.SIGNAL);
  }

  /** A host comes or goes. What an earlier host has sent is not for the camera any more. */
  setHost(present: boolean): void {
    this.#forgetPending();
    const host = Atomics.load(this.#control, Word.HOST);
    if (((host & 1) === 1) === present) return;
    Atomics.store(this.#control, Word.TO_CAMERA_MARK, Atomics.load(this.#control, Word.TO_CAMERA_WRITTEN));
    Atomics.store(this.#control, Word.HOST, host + 1);
    // A Worker that waits for room must see that its reader is gone.
    this.#advanceRead(Atomics.load(this.#control, Word.TO_HOST_WRITTEN));
    this.signal();
  }

  /** Sends bytes to the camera; copies what does not fit into the ring, up to a bound. */
  write(bytes: Uint8Array): void {
    const count = this.#pending.length === 0 ? this.#put(bytes) : 0;
    if (count > 0) this.signal();
    const rest = bytes.subarray(count);
    if (rest.length === 0) return;
    if (this.#pendingBytes + rest.length > MAX_PENDING) {
      this.overflowed += rest.length;
      return;
    }
    this.#pending.push(rest.slice());
    this.#pendingBytes += rest.length;
    this.#retry ??= setTimeout(() => this.#retryPending(), RETRY_MS);
  }

  /** To be called when the Worker has woken the main thread, or may have tried to; returns up to where it may be read. */
  awake(): number {
    Atomics.store(this.#control, Word.WAKING, 0);
    return Atomics.load(this.#control, Word.TO_HOST_WRITTEN);
  }

  /** Where the bytes for the present host begin; `to` when there are none. */
  #startOf(to: number): number {
    const control = this.#control;
    const host = Atomics.load(control, Word.HOST);
    if (host !== Atomics.load(control, Word.HOST_SEEN)) return to;
    if (host === this.#markedHost) return Atomics.load(control, Word.TO_HOST_READ);
    const mark = Atomics.load(control, Word.TO_HOST_MARK);
    if (((mark - to) | 0) > 0) return to;
    // Looked at once: positions wrap, and an old mark would lie ahead of them after 4 GiB.
    this.#markedHost = host;
    return mark;
  }

  /** Hands over what the camera has sent, in chunks valid only during the call, until `taker` returns false. */
  read(to: number, taker: (bytes: Uint8Array) => boolean): void {
    let from = this.#startOf(to);
    while (distance(from, to) > 0) {
      const count = ringRead(this.#toHost, this.#scratch, from, to);
      from += count;
      this.#advanceRead(from);
      if (!taker(this.#scratch.subarray(0, count))) return;
    }
    this.#advanceRead(from);
  }

  /** Gives up the timer. */
  close(): void {
    this.#forgetPending();
  }

  #advanceRead(to: number): void {
    Atomics.store(this.#control, Word.TO_HOST_READ, to);
    Atomics.notify(this.#control, Word.TO_HOST_READ);
  }

  #put(bytes: Uint8Array): number {
    const written = Atomics.load(this.#control, Word.TO_CAMERA_WRITTEN);
    const read = Atomics.load(this.#control, Word.TO_CAMERA_READ);
    const count = ringWrite(this.#toCamera, bytes, written, read);
    if (count > 0) Atomics.store(this.#control, Word.TO_CAMERA_WRITTEN, written + count);
    return count;
  }

  #retryPending(): void {
    this.#retry = undefined;
    let moved = false;
    for (let first = this.#pending[0]; first; first = this.#pending[0]) {
      const count = this.#put(first);
      if (count === 0) break;
      moved = true;
      this.#pendingBytes -= count;
      if (count === first.length) this.#pending.shift();
      else this.#pending[0] = first.subarray(count);
    }
    if (moved) this.signal();
    if (this.#pending.length > 0) this.#retry = setTimeout(() => this.#retryPending(), RETRY_MS);
  }

  #forgetPending(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}
