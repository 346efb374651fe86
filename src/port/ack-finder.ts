import { ByteLengthParser } from '@serialport/parser-byte-length';
import { HEADER_SIZE, SYNC_BYTE_0 } from '../protocol/index.js';

/** SYNC as the first packet of a session: number 0, channel 0, no payload (golden packet). */
export const SYNC_PACKET = Uint8Array.from([0xaa, 0xd5, 0, 0, 0, 0, 0, 0, 0xb0, 0xac]);

/** What a device answers SYNC with: always these ten bytes (golden packet). */
export const SYNC_ACK = Uint8Array.from([0xaa, 0xd5, 0, 0, 1, 0, 0, 0, 0x08, 0x46]);

/**
 * Finds SYNC's acknowledgement in bytes of any chunking that may begin with the rest of something else.
 *
 * The parser cuts blocks of exactly ten bytes, so it is only given bytes from a possible packet start on, and
 * never more than complete its block. A block that turns out to be something else is searched for the next
 * possible start, which begins a new block: no alignment of stale bytes hides the answer.
 */
export class AckFinder {
  readonly #parser = new ByteLengthParser({ length: HEADER_SIZE, readableObjectMode: true });
  #held = 0;

  /** Takes a chunk. Answers the bytes behind the acknowledgement, or `undefined` while it has not come. */
  feed(chunk: Uint8Array): Uint8Array | undefined {
    let input = chunk;
    while (input.length > 0) {
      if (this.#held === 0) {
        const start = input.indexOf(SYNC_BYTE_0);
        if (start < 0) return undefined;
        input = input.subarray(start);
      }
      const taken = input.subarray(0, HEADER_SIZE - this.#held);
      input = input.subarray(taken.length);
      const block = this.#block(taken);
      if (!block) continue;
      if (Buffer.compare(block, SYNC_ACK) === 0) return input;
      const next = block.indexOf(SYNC_BYTE_0, 1);
      if (next > 0) input = Buffer.concat([block.subarray(next), input]);
    }
    return undefined;
  }

  #block(bytes: Uint8Array): Uint8Array | undefined {
    this.#held += bytes.length;
    this.#parser.write(Buffer.from(bytes));
    const block: Buffer | null = this.#parser.read();
    if (block) this.#held = 0;
    return block ?? undefined;
  }
}
