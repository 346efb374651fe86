/**
 * The memory in which frames lie, inside the interpreter's. One buffer for snapshots and a few that compressed
 * copies take turns in; grown when needed and never given back, because a script may still hold a view of it.
 */
import type { Interpreter } from '../interpreter/interpreter.js';

/** Copies that exist at a time: the next one takes the place of the oldest. */
const COPIES = 16;
/** Rounding of sizes, so that JPEGs of slightly different size share a buffer. */
const GRANULE = 64 * 1024;

interface Block {
  address: number;
  size: number;
}

export class FrameBuffer {
  readonly #interpreter: Interpreter;
  readonly #frame: Block = { address: 0, size: 0 };
  readonly #copies: Block[] = Array.from({ length: COPIES }, () => ({ address: 0, size: 0 }));
  #nextCopy = 0;

  constructor(interpreter: Interpreter) {
    this.#interpreter = interpreter;
  }

  /** Address of the frame, with room for `bytes`. 0: out of memory. */
  frame(bytes: number): number {
    return this.#reserve(this.#frame, bytes);
  }

  /** Bytes that fit into the frame. */
  get frameSize(): number {
    return this.#frame.size;
  }

  /** Address for a copy, with room for `bytes`. 0: out of memory. */
  copy(bytes: number): number {
    const block = this.#copies[this.#nextCopy]!;
    this.#nextCopy = (this.#nextCopy + 1) % COPIES;
    return this.#reserve(block, bytes);
  }

  #reserve(block: Block, bytes: number): number {
    if (bytes <= block.size) return block.address;
    const size = Math.ceil(bytes / GRANULE) * GRANULE;
    const address = this.#interpreter.allocate(size);
    if (address === 0) return 0;
    block.address = address;
    block.size = size;
    return address;
  }
}
