/** The contract between the decoder and what takes its packets. */
import type { PacketHeader } from './packet.js';

/** Where a payload goes: `header.length` bytes of `buffer` from `offset`. */
export interface PayloadSlot {
  buffer: Uint8Array;
  offset: number;
}

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
