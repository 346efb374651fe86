/** Small writes share a block, so that the queue costs hardly more memory than the bytes in it. */
const BLOCK_SIZE = 64 * 1024;

interface Block {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
}

/** Bytes in the order they came, copied in at one end and taken off at the other. */
export class ByteQueue {
  #blocks: Block[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const block = this.#roomyBlock(rest.length);
      const part = rest.subarray(0, block.bytes.length - block.end);
      block.bytes.set(part, block.end);
      block.end += part.length;
      rest = rest.subarray(part.length);
    }
    this.#length += bytes.length;
  }

  /** The next bytes to go, empty when there are none. Valid until the next call. */
  peek(): Uint8Array {
    const first = this.#blocks[0];
    return first ? first.bytes.subarray(first.start, first.end) : new Uint8Array(0);
  }

  /** Takes off that many of the bytes that `peek` gave. */
  drop(count: number): void {
    const first = this.#blocks[0];
    if (!first) return;
    first.start += count;
    this.#length -= count;
    if (first.start === first.end) this.#blocks.shift();
  }

  clear(): void {
    this.#blocks = [];
    this.#length = 0;
  }

  #roomyBlock(wanted: number): Block {
    const last = this.#blocks.at(-1);
    if (last && last.end < last.bytes.length) return last;
    const block = { bytes: new Uint8Array(Math.max(BLOCK_SIZE, wanted)), start: 0, end: 0 };
    this.#blocks.push(block);
    return block;
  }
}
