/** One request under way and what has come of its reply. */

import { Flag, type PacketHeader, type PayloadSlot } from '../protocol/index.js';
import type { LinkOutcome, LinkRequest } from './link-types.js';
import { ReadReply } from './read-reply.js';

/** Largest reply without a destination: the longest of them, 32 channels' list, has 512 bytes. */
const MAX_GATHERED = 65_536;
const EMPTY = new Uint8Array(0);

export class Exchange {
  readonly request: LinkRequest;
  readonly header: PacketHeader;
  /** When the device could begin with it: it was sent, and those before it were answered. */
  startedAt: number;
  /** It was sent while others were under way. */
  waited = false;
  /** How often the device refused it unread. */
  readonly refusals: number;

  readonly #read: ReadReply | undefined;
  #gathered: Uint8Array = EMPTY;
  #pieces = 0;
  #numberAfter: number | undefined;

  constructor(request: LinkRequest, sequence: number, maxPayload: number, now: number, refusals: number) {
    this.request = request;
    this.header = {
      sequence,
      channel: request.channel,
      flags: 0,
      opcode: request.opcode,
      length: request.payload.length,
    };
    this.startedAt = now;
    this.refusals = refusals;
    if (request.destination) this.#read = new ReadReply(request.destination, maxPayload, sequence);
  }

  /** A request of the link's own (negotiation): no caller waits for it. */
  get internal(): boolean {
    return this.request.attempts === 0;
  }

  /** Whether any packet of the reply has come. */
  get begun(): boolean {
    return this.#pieces > 0;
  }

  /** Packets in its reply, if that is regular. */
  get packets(): number {
    return this.#read?.packets ?? 1;
  }

  /** Whether a number is one of a regular reply's. */
  includes(sequence: number): boolean {
    return ((sequence - this.header.sequence) & 0xff) < this.packets;
  }

  /** The device's number after the reply; undefined: not known. */
  get numberAfter(): number | undefined {
    return this.#numberAfter;
  }

  get fragmentsMissing(): number {
    return this.#read?.fragmentsMissing ?? 0;
  }

  /** Whether a packet answers this request, by opcode and channel, with a number at or behind the lowest it can have. */
  owns(header: Readonly<PacketHeader>): boolean {
    const { opcode, channel } = this.header;
    const lowest = this.#read?.lowest ?? this.header.sequence;
    return (
      header.opcode === opcode && header.channel === channel && ((header.sequence - lowest) & 0xff) < 128
    );
  }

  /**
   * Whether a packet is the next one of the reply, or one behind a gap that can be placed all the same. A reply
   * that would outgrow what is gathered is never finished: its beginning must not pass for the whole.
   */
  expects(header: Readonly<PacketHeader>): boolean {
    if (!this.owns(header)) return false;
    if ((header.flags & Flag.ACK) !== 0)
      return header.sequence === this.header.sequence && header.length === 0;
    if (this.#read) return this.#read.offsetOf(header) >= 0 && !this.#read.has(header);
    return (
      ((header.sequence - this.header.sequence) & 0xff) === this.#pieces &&
      this.#gathered.length + header.length <= MAX_GATHERED
    );
  }

  /** Sends a READ fragment's payload straight to its place. */
  place(header: Readonly<PacketHeader>, slot: PayloadSlot): void {
    const { destination } = this.request;
    if (!this.#read || !destination || (header.flags & (Flag.NAK | Flag.EVENT | Flag.ACK)) !== 0) return;
    if (!this.expects(header)) return;
    slot.buffer = destination;
    slot.offset = this.#read.offsetOf(header);
  }

  /** Takes a packet that it `expects`; returns the outcome when the reply is over. */
  take(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): LinkOutcome | undefined {
    this.#pieces++;
    if ((header.flags & Flag.ACK) !== 0) {
      this.#numberAfter = (header.sequence + 1) & 0xff;
      return { kind: 'ack' };
    }
    if (this.#read) {
      this.#fetch(this.#read, header, payload);
      this.#read.take(header);
      return this.#read.finished ? this.#readOutcome(this.#read) : undefined;
    }
    return this.#gather(header, payload);
  }

  /** What can be said when nothing more comes: a READ that has begun has been sent in full. */
  partial(): LinkOutcome | undefined {
    return this.#read?.begun ? this.#readOutcome(this.#read) : undefined;
  }

  /**
   * A packet of a later reply has come, with the number that was predicted: the device has answered this one, in as many
   * packets as were expected, and what is missing of them was lost.
   */
  passed(): LinkOutcome {
    if (!this.#read) return { kind: 'lost', reason: 'timeout' };
    this.#read.end();
    return this.#readOutcome(this.#read);
  }

  /** Copies a fragment whose header came before this request was under way: it was not placed. */
  #fetch(read: ReadReply, header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    const { destination } = this.request;
    const { buffer, offset } = payload;
    if (!destination || buffer === destination) return;
    destination.set(buffer.subarray(offset, offset + header.length), read.offsetOf(header));
  }

  #readOutcome(read: ReadReply): LinkOutcome {
    this.#numberAfter = read.numberAfter;
    const missing = read.missing();
    return read.inSmallPieces ? { kind: 'read', missing, inSmallPieces: true } : { kind: 'read', missing };
  }

  #gather(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): LinkOutcome | undefined {
    const { buffer, offset } = payload;
    const joined = new Uint8Array(this.#gathered.length + header.length);
    joined.set(this.#gathered);
    joined.set(buffer.subarray(offset, offset + header.length), this.#gathered.length);
    this.#gathered = joined;
    if ((header.flags & Flag.FRAGMENT) !== 0) return undefined;
    this.#numberAfter = (header.sequence + 1) & 0xff;
    return { kind: 'reply', payload: joined };
  }
}
