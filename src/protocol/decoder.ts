/**
 * Packets out of a byte stream that may be cut anywhere and damaged anyhow.
 *
 * A payload is copied once, from the chunk to the place that the sink names, and its CRC runs along; a packet is
 * handed over only when both CRCs hold. After a damaged header or payload the search goes on one byte behind
 * the damaged packet's first byte, through the very bytes that were taken for its payload: a length that was
 * damaged, or a packet that was cut short, costs no packet that came after it.
 *
 * Bounded: one header, one payload of at most `maxPayload` bytes and its CRC are all that is ever held.
 */
import { Flag, HEADER_SIZE, MAX_CHANNELS, Opcode, SYNC_BYTE_0, SYNC_BYTE_1 } from './constants.js';
import { headerCrc } from './crc.js';
import { IncomingPayload, type PayloadSlot } from './incoming-payload.js';
import { type PacketHeader, packetSize, readHeader, writeHeader } from './packet.js';

/** Both objects are reused for every packet: valid only during the call. */
export interface PacketSink {
  /**
   * Called at a valid header with a payload. The slot holds the decoder's own scratch space; the sink may name
   * another place with room for `header.length` bytes. What stands there is not valid before `packet`.
   */
  place?(header: Readonly<PacketHeader>, slot: PayloadSlot): void;
  /** A whole packet, its CRCs good. */
  packet(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void;
  /** A packet whose header was good and whose payload was not. */
  damaged?(header: Readonly<PacketHeader>): void;
}

/** What the decoder has seen since it was made. */
export interface DecoderStats {
  /** Bytes pushed. */
  bytes: number;
  /** Packets handed over. */
  packets: number;
  /** Bytes that were part of no good packet. */
  discardedBytes: number;
  /** Ten bytes that began like a packet and had a bad header CRC. */
  headerErrors: number;
  /** Packets with a good header and a bad payload CRC. */
  payloadErrors: number;
  /** Good headers that claimed more than `maxPayload` bytes. */
  oversized: number;
}

const ALL_FLAGS = Flag.ACK | Flag.NAK | Flag.RTX | Flag.ACK_REQ | Flag.FRAGMENT | Flag.EVENT;
const OPCODES = new Set<number>(Object.values(Opcode));

export class StreamDecoder {
  readonly stats: DecoderStats = {
    bytes: 0,
    packets: 0,
    discardedBytes: 0,
    headerErrors: 0,
    payloadErrors: 0,
    oversized: 0,
  };
  /** Off: CRC fields are on the wire but not looked at (negotiated by SET_CAPS). */
  crc = true;

  readonly #sink: PacketSink;
  #maxPayload: number;
  /** Where the packet in progress began in the current chunk; -1: in an earlier chunk. */
  #begunAt = -1;
  /** A header that is not whole yet. */
  readonly #head = new Uint8Array(HEADER_SIZE);
  #headLength = 0;
  /** The header of the packet in progress, and its CRC field. */
  readonly #header: PacketHeader = { sequence: 0, channel: 0, flags: 0, opcode: 0, length: 0 };
  #headerCheck = 0;
  readonly #payload: IncomingPayload;
  #inPacket = false;

  /** `maxPayload`: bytes; a header that claims more is taken for damage. */
  constructor(sink: PacketSink, maxPayload: number) {
    this.#sink = sink;
    this.#maxPayload = maxPayload;
    this.#payload = new IncomingPayload(maxPayload);
  }

  /** A packet in progress keeps its place: a smaller limit applies from the next header on. */
  set maxPayload(bytes: number) {
    this.#maxPayload = bytes;
    this.#payload.reserve(bytes);
  }

  get maxPayload(): number {
    return this.#maxPayload;
  }

  /** Whether the decoder is in the middle of a packet's payload or CRC. */
  get inPacket(): boolean {
    return this.#inPacket;
  }

  /** Takes the next bytes, in any chunking; calls the sink for each packet that they complete. */
  push(chunk: Uint8Array): void {
    this.stats.bytes += chunk.length;
    this.#process(chunk);
  }

  /**
   * Gives up the packet in progress, because its rest will not come, and looks for packets in what was taken
   * for its payload.
   */
  abandon(): void {
    if (this.#inPacket) this.#rescan(0);
  }

  /**
   * Takes the payload in progress away from the place that the sink named: from here on nothing is written
   * there. Needed when that place is about to be used for something else.
   */
  detach(): void {
    if (this.#inPacket) this.#payload.detach();
  }

  /** Forgets the packet in progress and all that was held of it. */
  reset(): void {
    this.stats.discardedBytes += this.#inPacket ? HEADER_SIZE + this.#payload.held : this.#headLength;
    this.#inPacket = false;
    this.#headLength = 0;
  }

  #process(chunk: Uint8Array): void {
    const end = chunk.length;
    let at = 0;
    this.#begunAt = -1;
    while (at < end) {
      if (this.#inPacket) at = this.#takePayload(chunk, at);
      else if (this.#headLength > 0) at = this.#completeHeader(chunk, at);
      else at = this.#findHeader(chunk, at);
    }
    this.#begunAt = -1;
  }

  /** No header in progress: looks for one in the chunk. */
  #findHeader(chunk: Uint8Array, from: number): number {
    let at = from;
    const end = chunk.length;
    while (at < end) {
      if (chunk[at] !== SYNC_BYTE_0) {
        const next = chunk.indexOf(SYNC_BYTE_0, at);
        this.stats.discardedBytes += (next < 0 ? end : next) - at;
        if (next < 0) return end;
        at = next;
      }
      if (end - at < HEADER_SIZE) {
        this.#head.set(chunk.subarray(at));
        this.#headLength = end - at;
        return end;
      }
      if (this.#parseHeader(chunk, at)) {
        this.#begunAt = at;
        this.#begin();
        return at + HEADER_SIZE;
      }
      this.stats.discardedBytes++;
      at++;
    }
    return at;
  }

  /** A header began in an earlier chunk: fills it up and tries it. */
  #completeHeader(chunk: Uint8Array, from: number): number {
    const take = Math.min(HEADER_SIZE - this.#headLength, chunk.length - from);
    this.#head.set(chunk.subarray(from, from + take), this.#headLength);
    this.#headLength += take;
    if (this.#headLength === HEADER_SIZE) {
      if (this.#parseHeader(this.#head, 0)) {
        this.#headLength = 0;
        this.#begin();
      } else {
        const next = this.#head.indexOf(SYNC_BYTE_0, 1);
        const drop = next < 0 ? HEADER_SIZE : next;
        this.#head.copyWithin(0, drop);
        this.#headLength -= drop;
        this.stats.discardedBytes += drop;
      }
    }
    return from + take;
  }

  #parseHeader(bytes: Uint8Array, at: number): boolean {
    if (bytes[at] !== SYNC_BYTE_0 || bytes[at + 1] !== SYNC_BYTE_1) return false;
    const header = readHeader(bytes, at, this.#header);
    this.#headerCheck = bytes[at + 8]! | (bytes[at + 9]! << 8);
    if (this.crc ? headerCrc.compute(bytes, at, at + 8) !== this.#headerCheck : !isPlausible(header)) {
      this.stats.headerErrors++;
      return false;
    }
    if (header.length > this.#maxPayload) {
      this.stats.oversized++;
      return false;
    }
    return true;
  }

  /** A good header: hands an empty packet over, or makes ready for the payload. */
  #begin(): void {
    const payload = this.#payload;
    payload.begin(this.#header.length);
    if (this.#header.length === 0) {
      this.#emit();
      return;
    }
    this.#sink.place?.(this.#header, payload.slot);
    this.#inPacket = true;
  }

  #takePayload(chunk: Uint8Array, from: number): number {
    const payload = this.#payload;
    const at = payload.take(chunk, from, this.crc);
    if (!payload.whole) return at;
    if (this.crc && !payload.intact) {
      this.stats.payloadErrors++;
      this.#sink.damaged?.(this.#header);
      return this.#rescan(at);
    }
    this.#inPacket = false;
    this.#emit();
    return at;
  }

  #emit(): void {
    this.stats.packets++;
    this.#sink.packet(this.#header, this.#payload.slot);
  }

  /**
   * Searches a packet that failed, from its second byte on; returns where to go on in the current chunk. A packet
   * that lies in the chunk is searched right there, so that packets inside packets never nest deeper than one
   * held copy.
   */
  #rescan(at: number): number {
    this.stats.discardedBytes++;
    this.#inPacket = false;
    if (this.#begunAt >= 0) return this.#begunAt + 1;
    const held = new Uint8Array(packetSize(this.#header.length));
    writeHeader(held, 0, this.#header, false);
    held[8] = this.#headerCheck;
    held[9] = this.#headerCheck >>> 8;
    this.#payload.copyTo(held, HEADER_SIZE);
    this.#process(held.subarray(1, HEADER_SIZE + this.#payload.held));
    return at;
  }
}

/** With CRCs off, the only sign of a header is that its fields make sense. */
function isPlausible(header: Readonly<PacketHeader>): boolean {
  return (header.flags & ~ALL_FLAGS) === 0 && header.channel < MAX_CHANNELS && OPCODES.has(header.opcode);
}
