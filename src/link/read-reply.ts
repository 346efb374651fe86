/**
 * Puts the fragments of one READ reply in their places in the caller's buffer.
 *
 * A `readp` reply is cut into pieces of exactly the negotiated payload size, numbered one after the other, so a
 * fragment's number alone says where it belongs, and what is missing is known to the byte. A `read()` backend is asked
 * for pieces of 512 bytes, and nearly all of them give so many; but it may give fewer, and then its pieces are placed one
 * behind the other, and a gap among them spoils the whole reply.
 * Behind a gap a piece of the regular size may be of either kind. It is trusted once the last fragment has come with
 * the number and size of a regular reply's last: no other pieces add up to the same length, for none is longer.
 *
 * Reads are limited to `MAX_READ_FRAGMENTS` fragments: sequence numbers have 8 bits, and a fragment of this
 * reply must never be mistaken for a late one of the reply before it.
 */
import { Flag, type PacketHeader } from '../protocol/index.js';

/** Half of the numbers tell late from early; two replies in a row must fit into that half. */
export const MAX_READ_FRAGMENTS = 60;
/** What a `read()` backend is asked for at once, in bytes. */
export const BACKEND_PIECE = 512;

/** Bytes of the destination, from `from` up to, not including, `to`. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export class ReadReply {
  readonly #length: number;
  readonly #maxPayload: number;
  readonly #first: number;
  /** Size of the regular pieces; known for sure from the first one on. */
  #step: number;
  #arrived: Uint8Array;
  #arrivedCount = 0;
  /** The index behind the highest that was taken. */
  #next = 0;
  /** Set by the first piece that is not of the regular size. */
  #irregular = false;
  #irregularEnd = 0;
  #ended = false;

  /** `first`: the request's number, which is also its first fragment's. */
  constructor(destination: Uint8Array, maxPayload: number, first: number) {
    this.#length = destination.length;
    this.#maxPayload = maxPayload;
    this.#first = first;
    this.#step = maxPayload;
    this.#arrived = new Uint8Array(Math.ceil(this.#length / maxPayload));
  }

  /** Where a fragment's payload goes in the destination; -1: it has no place in this reply. */
  offsetOf(header: Readonly<PacketHeader>): number {
    const index = this.#indexOf(header);
    if (this.#irregular) return index === this.#next ? this.#fits(this.#irregularEnd, header.length) : -1;
    const step = this.#stepOf(header, index);
    if (step > 0) return index * step;
    // A piece of another size: a read() backend, if nothing is missing so far. Packets keep their order, so as many
    // have come as there are numbers before this one.
    if (index !== this.#arrivedCount) return -1;
    return this.#fits(index * this.#step, header.length);
  }

  /** A fragment whose payload stands, verified, where `offsetOf` said. */
  take(header: Readonly<PacketHeader>): void {
    const index = this.#indexOf(header);
    const step = this.#irregular ? 0 : this.#stepOf(header, index);
    if (step === 0) {
      if (!this.#irregular) this.#irregularEnd = this.#arrivedCount * this.#step;
      this.#irregular = true;
      this.#irregularEnd += header.length;
    } else {
      if (step !== this.#step) {
        this.#step = step;
        this.#arrived = new Uint8Array(Math.ceil(this.#length / step));
      }
      if (this.#arrived[index] === 0) this.#arrivedCount++;
      this.#arrived[index] = 1;
    }
    this.#next = Math.max(this.#next, index + 1);
    if ((header.flags & Flag.FRAGMENT) === 0) this.#ended = true;
  }

  /** Whether this fragment has been taken already: a second copy must not be written over it unverified. */
  has(header: Readonly<PacketHeader>): boolean {
    return !this.#irregular && this.#arrived[this.#indexOf(header)] === 1;
  }

  /** Nothing more will come, and its pieces are known to be regular: each that is missing is known. */
  end(): void {
    this.#ended = true;
  }

  /** The lowest number that a packet of this reply can still have. */
  get lowest(): number {
    const behind = this.#irregular ? this.#next : Math.max(0, this.#next - MAX_READ_FRAGMENTS);
    return (this.#first + behind) & 0xff;
  }

  /** In all, if they are regular. */
  get packets(): number {
    return this.#arrived.length;
  }

  get fragmentsMissing(): number {
    return this.#irregular ? 0 : this.#arrived.length - this.#arrivedCount;
  }

  /** Whether any fragment of this reply has come: then the device has taken the request. */
  get begun(): boolean {
    return this.#next > 0;
  }

  /** Nothing more will come, or nothing more is needed. */
  get finished(): boolean {
    return this.#ended || this.complete;
  }

  get complete(): boolean {
    return this.#irregular
      ? this.#irregularEnd === this.#length
      : this.#arrivedCount === this.#arrived.length;
  }

  /** Whether its regular pieces are those of a `read()` backend, and smaller than the payload allows. */
  get inSmallPieces(): boolean {
    return this.#step < this.#maxPayload;
  }

  /**
   * What of the destination is not valid; empty when all is. Of an irregular reply with a gap nothing
   * is known to be in its place: all of it is missing. While the last fragment has not come, it may still be
   * one: nothing behind the first gap is known to be in its place.
   */
  missing(): ByteRange[] {
    if (this.complete) return [];
    if (this.#irregular) return [{ from: 0, to: this.#length }];
    const ranges: ByteRange[] = [];
    const count = this.#arrived.length;
    for (let index = 0; index < count; index++) {
      if (this.#arrived[index] === 1) continue;
      let next = this.#ended ? index + 1 : count;
      while (next < count && this.#arrived[next] === 0) next++;
      ranges.push({ from: index * this.#step, to: Math.min(next * this.#step, this.#length) });
      index = next;
    }
    return ranges;
  }

  /**
   * The device's number after this reply. undefined, when it did not end: of an irregular one it is not known, and the
   * rest of a long one could be taken for the next reply's.
   */
  get numberAfter(): number | undefined {
    const count = this.#irregular ? this.#next : this.#arrived.length;
    if (!this.#ended && (this.#irregular || count > MAX_READ_FRAGMENTS)) return undefined;
    return (this.#first + count) & 0xff;
  }

  /** Numbers wrap: the nearest to what is expected next. Below 0: of an earlier reply. */
  #indexOf(header: Readonly<PacketHeader>): number {
    const ahead = (header.sequence - this.#first - this.#next) & 0xff;
    return this.#next + (ahead < 128 ? ahead : ahead - 256);
  }

  /** The size of pieces with which a fragment is piece `index` of a reply in regular pieces; 0: it is not. */
  #stepOf(header: Readonly<PacketHeader>, index: number): number {
    if (this.#isRegular(header, index, this.#step)) return this.#step;
    return !this.begun && this.#isRegular(header, index, BACKEND_PIECE) ? BACKEND_PIECE : 0;
  }

  #isRegular(header: Readonly<PacketHeader>, index: number, step: number): boolean {
    const left = this.#length - index * step;
    return index >= 0 && left > 0 && header.length === Math.min(step, left);
  }

  #fits(offset: number, length: number): number {
    return length > 0 && offset + length <= this.#length ? offset : -1;
  }
}
