/**
 * Messages on stdin and stdout: a 4-byte big-endian length and that many bytes of JSON. Several threads write; a
 * lock in shared memory keeps their messages apart.
 */
import { writeSync } from 'node:fs';

/** Longest message either side may send. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
const PREFIX_BYTES = 4;
const FREE = 0;
const TAKEN = 1;
/** How long a full pipe is left alone before it is tried again. */
const FULL_MS = 1;

/** A lock for `Atomics`, to be shared by all who write. */
export function newLock(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

export class MessageWriter {
  readonly #fd: number;
  readonly #lock: Int32Array;

  constructor(fd: number, lock: SharedArrayBuffer) {
    this.#fd = fd;
    this.#lock = new Int32Array(lock);
  }

  /** Writes one message, whole, before it returns. Throws when the host is gone, or the message too long. */
  write(json: string): void {
    const length = Buffer.byteLength(json);
    if (length > MAX_MESSAGE_BYTES) {
      throw new RangeError(`A message of ${length} bytes; at most ${MAX_MESSAGE_BYTES} are allowed.`);
    }
    const frame = Buffer.allocUnsafe(PREFIX_BYTES + length);
    frame.writeUInt32BE(length);
    frame.write(json, PREFIX_BYTES);
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
      const clock = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
      Atomics.wait(clock, 0, 0, FULL_MS);
      return 0;
    }
  }
}

/** Cuts stdin into messages. Holds one at most. */
export class MessageReader {
  readonly #message: (json: string) => void;
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(message: (json: string) => void) {
    this.#message = message;
  }

  /** Throws at a length that cannot be one: nothing after it can be read. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    for (;;) {
      if (this.#length < PREFIX_BYTES) return;
      const head = this.#chunks[0]!.length < PREFIX_BYTES ? this.#join() : this.#chunks[0]!;
      const end = PREFIX_BYTES + head.readUInt32BE(0);
      if (end === PREFIX_BYTES || end > PREFIX_BYTES + MAX_MESSAGE_BYTES) {
        throw new Error(`The host announced a message of ${end - PREFIX_BYTES} bytes.`);
      }
      if (this.#length < end) return;
      const bytes = this.#join();
      const rest = bytes.subarray(end);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#length = rest.length;
      this.#message(bytes.toString('utf8', PREFIX_BYTES, end));
    }
  }

  #join(): Buffer {
    const joined = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
