/** Messages to the host, from several threads: a lock in shared memory keeps them apart. */
import { writeSync } from 'node:fs';
import { frameJson } from '../adapter/index.js';

const FREE = 0;
const TAKEN = 1;
/** Wait before a full pipe is tried again. */
const FULL_MS = 1;

const sharedWord = (): Int32Array => new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** A lock for `Atomics`, shared by all who write. */
export const newLock = sharedWord;

export class MessageWriter {
  readonly #fd: number;
  readonly #lock: Int32Array;

  constructor(fd: number, lock: Int32Array) {
    this.#fd = fd;
    this.#lock = lock;
  }

  /** Writes one message, whole, before it returns. Throws when the host is gone. */
  write(message: object | string): void {
    const frame = frameJson(typeof message === 'string' ? message : JSON.stringify(message));
    while (Atomics.compareExchange(this.#lock, 0, FREE, TAKEN) !== FREE) Atomics.wait(this.#lock, 0, TAKEN);
    try {
      for (let done = 0; done < frame.length; ) done += this.#some(frame, done);
    } finally {
      Atomics.store(this.#lock, 0, FREE);
      Atomics.notify(this.#lock, 0, 1);
    }
  }

  #some(frame: Buffer, from: number): number {
    try {
      return writeSync(this.#fd, frame, from);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(sharedWord(), 0, 0, FULL_MS);
      return 0;
    }
  }
}
