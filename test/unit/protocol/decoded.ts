/** A decoder whose packets are kept, and the few packets that its tests send. */
import { type DecoderStats, type PacketSink, StreamDecoder } from '../../../src/protocol/decoder.js';
import { encodePacket, type PacketHeader, packetSize } from '../../../src/protocol/packet.js';

export interface DecodedPacket {
  readonly header: PacketHeader;
  readonly payload: Uint8Array;
}

export class Decoded {
  readonly packets: DecodedPacket[] = [];
  readonly damaged: PacketHeader[] = [];
  readonly decoder: StreamDecoder;

  constructor(maxPayload = 4082, place?: PacketSink['place']) {
    this.decoder = new StreamDecoder(
      {
        ...(place ? { place } : {}),
        packet: (header, { buffer, offset }) => {
          const payload =
            header.length === 0 ? new Uint8Array(0) : buffer.slice(offset, offset + header.length);
          this.packets.push({ header: { ...header }, payload });
        },
        damaged: (header) => this.damaged.push({ ...header }),
      },
      maxPayload,
    );
  }

  get stats(): DecoderStats {
    return this.decoder.stats;
  }

  /** Bytes of the packets handed over. */
  get packetBytes(): number {
    return this.packets.reduce((sum, { payload }) => sum + packetSize(payload.length), 0);
  }

  push(...chunks: Uint8Array[]): this {
    for (const chunk of chunks) this.decoder.push(chunk);
    return this;
  }
}

export const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

/** Cuts at the given places. */
export function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const stops = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].sort((a, b) => a - b);
  return [...stops, bytes.length].map((to, index) => bytes.subarray(stops[index - 1] ?? 0, to));
}

/** A data packet with a recognisable payload. */
export function dataPacket(sequence: number, length: number, fill = sequence): Uint8Array {
  const payload = Uint8Array.from({ length }, (_, index) => (fill * 31 + index * 7) & 0xff);
  return encodePacket({ sequence, channel: 5, flags: 0, opcode: 0x26 }, payload);
}
