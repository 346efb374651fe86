/** The least room a queue makes, in bytes. */
const FIRST_ROOM = 64 * 1024;

/** Bytes in the order they came, copied in at one end and taken off at the other, in one buffer that grows. */
export class ByteQueue {
  #bytes = Buffer.alloc(0);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The bytes to go, empty when there are none. Valid until the next call. */
  peek(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Takes off that many of the bytes that `peek` gave. */
  drop(count: number): void {
    this.#start += count;
    if (this.#start >= this.#end) this.clear();
  }

  clear(): void {
    this.#bytes = Buffer.alloc(0);
    this.#start = this.#end = 0;
  }

  /** Moves the bytes to the front, into a larger buffer unless half of this one is free then. */
  #makeRoom(wanted: number): void {
    const held = this.peek();
    const room = 2 * (held.length + wanted);
    if (room > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(Math.max(FIRST_ROOM, room));
    this.#bytes.set(held);
    this.#start = 0;
    this.#end = held.length;
  }
}
