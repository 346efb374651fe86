import { PAYLOAD_CRC_SIZE } from './constants.js';
import { payloadCrc } from './crc.js';
import { readUint32 } from './packet.js';

/** Where a payload goes: `header.length` bytes of `buffer` from `offset`. */
export interface PayloadSlot {
  buffer: Uint8Array;
  offset: number;
}

/**
 * One payload on its way in, and the CRC behind it: where it is put, how much of it has come, its own CRC, which runs
 * along while it is copied. One object serves all packets; nothing is allocated for one of them.
 */
export class IncomingPayload {
  /** Where it is put: scratch space, unless another place is named before the first byte comes. */
  readonly slot: PayloadSlot;
  #scratch: Uint8Array;
  #length = 0;
  #received = 0;
  #crc = 0;
  readonly #tail = new Uint8Array(PAYLOAD_CRC_SIZE);
  #tailLength = 0;

  /** `limit`: the largest payload, in bytes. */
  constructor(limit: number) {
    this.#scratch = new Uint8Array(limit);
    this.slot = { buffer: this.#scratch, offset: 0 };
  }

  /** Makes room for payloads of `limit` bytes. One that is on its way keeps its place. */
  reserve(limit: number): void {
    if (this.#scratch.length < limit) this.#scratch = new Uint8Array(limit);
  }

  /** A payload of `length` bytes follows. */
  begin(length: number): void {
    this.slot.buffer = this.#scratch;
    this.slot.offset = 0;
    this.#length = length;
    this.#received = 0;
    this.#crc = payloadCrc.start;
    this.#tailLength = 0;
  }

  /** Takes what belongs to it of the chunk, from `from` on; returns where the rest begins. */
  take(chunk: Uint8Array, from: number, crc: boolean): number {
    const missing = this.#length - this.#received;
    if (missing === 0) return this.#takeTail(chunk, from);
    const to = Math.min(from + missing, chunk.length);
    const { buffer, offset } = this.slot;
    buffer.set(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to), offset + this.#received);
    if (crc) this.#crc = payloadCrc.update(this.#crc, chunk, from, to);
    this.#received += to - from;
    return this.#takeTail(chunk, to);
  }

  /** Whether all of it has come, its CRC included. */
  get whole(): boolean {
    return this.#tailLength === PAYLOAD_CRC_SIZE;
  }

  /** Whether a whole one has the CRC that it came with. */
  get intact(): boolean {
    return readUint32(this.#tail, 0) === payloadCrc.finish(this.#crc);
  }

  /** Bytes that have come, of the payload and its CRC. */
  get held(): number {
    return this.#received + this.#tailLength;
  }

  /** Copies the bytes that have come, as they came. */
  copyTo(target: Uint8Array, at: number): void {
    const { buffer, offset } = this.slot;
    target.set(buffer.subarray(offset, offset + this.#received), at);
    target.set(this.#tail.subarray(0, this.#tailLength), at + this.#received);
  }

  /** Moves what has come to the scratch space, where the rest follows it. */
  detach(): void {
    const { slot } = this;
    if (slot.buffer === this.#scratch) return;
    this.#scratch.set(slot.buffer.subarray(slot.offset, slot.offset + this.#received));
    slot.buffer = this.#scratch;
    slot.offset = 0;
  }

  #takeTail(chunk: Uint8Array, from: number): number {
    let at = from;
    while (this.#tailLength < PAYLOAD_CRC_SIZE && at < chunk.length) {
      this.#tail[this.#tailLength++] = chunk[at++]!;
    }
    return at;
  }
}
