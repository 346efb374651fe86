/** Builds the host's packets in one buffer and hands them on. */
import {
  Flag,
  HOST_MIN_PAYLOAD,
  Opcode,
  PACKET_OVERHEAD,
  type PacketHeader,
  writePacket,
} from '../protocol/index.js';

const EMPTY = new Uint8Array(0);

export class PacketSender {
  packetsSent = 0;
  bytesSent = 0;
  acksSent = 0;
  readonly #transmit: (bytes: Uint8Array) => void;
  #packet = new Uint8Array(HOST_MIN_PAYLOAD + PACKET_OVERHEAD);

  /** `transmit`: bytes are valid only during the call. */
  constructor(transmit: (bytes: Uint8Array) => void) {
    this.#transmit = transmit;
  }

  send(header: Readonly<PacketHeader>, payload: Uint8Array, crc: boolean): void {
    if (this.#packet.length < payload.length + PACKET_OVERHEAD) {
      this.#packet = new Uint8Array(payload.length + PACKET_OVERHEAD);
    }
    const size = writePacket(this.#packet, 0, header, payload, 0, crc);
    this.packetsSent++;
    this.bytesSent += size;
    this.#transmit(this.#packet.subarray(0, size));
  }

  /** SYNC has number 0, and its CRC whatever was agreed on. */
  sync(): void {
    this.send({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC, length: 0 }, EMPTY, true);
  }

  /** Echoes the packet's opcode, channel and number, without a payload: the device looks for ten bare bytes. */
  acknowledge({ sequence, channel, opcode }: Readonly<PacketHeader>, crc: boolean): void {
    this.acksSent++;
    this.send({ sequence, channel, flags: Flag.ACK, opcode, length: 0 }, EMPTY, crc);
  }
}
