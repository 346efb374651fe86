/**
 * Puts the fragments of one READ reply in their places in the caller's buffer.
 *
 * A `readp` reply is cut into pieces of exactly the negotiated payload size, numbered one after the other, so a
 * fragment's number alone says where it belongs, and what is missing is known to the byte. A `read()` backend's
 * pieces may have any length: they are placed one behind the other, and a gap among them spoils the whole reply.
 * Behind a gap a piece of the regular size may be of either kind. It is trusted once the last fragment has come with
 * the number and size of a regular reply's last: no other pieces add up to the same length.
 *
 * Reads are limited to `MAX_READ_FRAGMENTS` fragments: sequence numbers have 8 bits, and a fragment of this
 * reply must never be mistaken for a late one of the reply before it.
 */

import type { PacketHeader } from '../protocol/index.js';
import { Flag } from '../protocol/index.js';

/** Half of the numbers tell late from early; two replies in a row must fit into that half. */
export const MAX_READ_FRAGMENTS = 60;

/** Bytes of the destination, from `from` up to, not including, `to`. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export class ReadReply {
  readonly #destination: Uint8Array;
  readonly #maxPayload: number;
  readonly #first: number;
  readonly #count: number;
  readonly #arrived: Uint8Array;
  #arrivedCount = 0;
  /** Set by the first piece that is not of the regular size. */
  #irregular = false;
  #irregularEnd = 0;
  #irregularPieces = 0;
  #ended = false;

  /** `first`: the request's number, which is also its first fragment's. */
  constructor(destination: Uint8Array, maxPayload: number, first: number) {
    this.#destination = destination;
    this.#maxPayload = maxPayload;
    this.#first = first;
    this.#count = Math.ceil(destination.length / maxPayload);
    this.#arrived = new Uint8Array(this.#count);
  }

  /** Where a fragment's payload goes in the destination; -1: it has no place in this reply. */
  offsetOf(header: Readonly<PacketHeader>): number {
    const index = this.#indexOf(header);
    if (this.#irregular) {
      return index === (this.#irregularPieces & 0xff) ? this.#fits(this.#irregularEnd, header.length) : -1;
    }
    if (this.#isRegular(header, index)) return index * this.#maxPayload;
    // A piece of another size: a read() backend, if nothing is missing so far. Packets keep their order, so as many
    // have come as there are numbers before this one.
    if (index !== this.#arrivedCount) return -1;
    return this.#fits(index * this.#maxPayload, header.length);
  }

  /** A fragment whose payload stands, verified, where `offsetOf` said. */
  take(header: Readonly<PacketHeader>): void {
    const index = this.#indexOf(header);
    if (!this.#irregular && !this.#isRegular(header, index)) {
      this.#irregular = true;
      this.#irregularPieces = this.#arrivedCount;
      this.#irregularEnd = this.#arrivedCount * this.#maxPayload;
    }
    if (this.#irregular) {
      this.#irregularPieces++;
      this.#irregularEnd += header.length;
    } else if (this.#arrived[index] === 0) {
      this.#arrived[index] = 1;
      this.#arrivedCount++;
    }
    if ((header.flags & Flag.FRAGMENT) === 0) this.#ended = true;
  }

  /** Whether this fragment has been taken already: a second copy must not be written over it unverified. */
  has(header: Readonly<PacketHeader>): boolean {
    return !this.#irregular && this.#arrived[this.#indexOf(header)] === 1;
  }

  /** The lowest number that a packet of this reply can still have. */
  get lowest(): number {
    return (this.#first + this.#irregularPieces) & 0xff;
  }

  get fragmentsMissing(): number {
    return this.#irregular ? 0 : this.#count - this.#arrivedCount;
  }

  /** Whether any fragment of this reply has come: then the device has taken the request. */
  get begun(): boolean {
    return this.#arrivedCount > 0 || this.#irregular;
  }

  /** Nothing more will come, or nothing more is needed. */
  get finished(): boolean {
    return this.#ended || this.complete;
  }

  get complete(): boolean {
    return this.#irregular
      ? this.#irregularEnd === this.#destination.length
      : this.#arrivedCount === this.#count;
  }

  /**
   * What of the destination is not valid; empty when all is. Of a `read()` backend's reply with a gap nothing
   * is known to be in its place: all of it is missing. While the last fragment has not come, it may still be
   * one: nothing behind the first gap is known to be in its place.
   */
  missing(): ByteRange[] {
    if (this.complete) return [];
    if (this.#irregular) return [{ from: 0, to: this.#destination.length }];
    const ranges: ByteRange[] = [];
    for (let index = 0; index < this.#count; index++) {
      if (this.#arrived[index] === 1) continue;
      let next = this.#ended ? index + 1 : this.#count;
      while (next < this.#count && this.#arrived[next] === 0) next++;
      ranges.push({
        from: index * this.#maxPayload,
        to: Math.min(next * this.#maxPayload, this.#destination.length),
      });
      index = next;
    }
    return ranges;
  }

  /** The device's number after this reply; undefined when the reply was irregular and did not end. */
  get numberAfter(): number | undefined {
    if (!this.#irregular) return (this.#first + this.#count) & 0xff;
    return this.#ended ? (this.#first + this.#irregularPieces) & 0xff : undefined;
  }

  #indexOf(header: Readonly<PacketHeader>): number {
    return (header.sequence - this.#first) & 0xff;
  }

  /** Whether a fragment looks like piece `index` of a reply in regular pieces. */
  #isRegular(header: Readonly<PacketHeader>, index: number): boolean {
    const left = this.#destination.length - index * this.#maxPayload;
    return index < this.#count && header.length === Math.min(this.#maxPayload, left);
  }

  #fits(offset: number, length: number): number {
    return length > 0 && offset + length <= this.#destination.length ? offset : -1;
  }
}
