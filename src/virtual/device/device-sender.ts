/**
 * The device's packets on their way out (vendor: protocol/omv_protocol.c): replies in as many fragments as they
 * need, events, and the packet that waits for its ACK and is repeated until the device gives up.
 */

import {
  type Capabilities,
  Flag,
  HEADER_SIZE,
  PACKET_OVERHEAD,
  type PacketHeader,
  packetSize,
  Status,
  writeHeader,
  writePacket,
} from '../../protocol/index.js';
import { DEVICE_TIMING } from './device-timing.js';
import type { DeviceLinkOptions } from './device-types.js';
import type { ReplySource } from './reply-source.js';

/** What is sent: a reply, or an event that wants its ACK. */
export interface Transfer {
  readonly opcode: number;
  readonly channel: number;
  readonly flags: number;
  readonly source: ReplySource | undefined;
}

/** What the sender asks of the device machine. */
export interface DeviceSenderHost {
  readonly options: DeviceLinkOptions;
  readonly active: boolean;
  readonly caps: Capabilities;
  readonly now: number;
  readonly stats: { sentPackets: number; retransmits: number };
  sendStatus(opcode: number, channel: number, status: number): void;
  reset(): void;
}

/** The packet that waits for its ACK. */
interface Waiting {
  readonly packet: Uint8Array;
  readonly header: PacketHeader;
  readonly transfer: Transfer;
  retries: number;
  timeout: number;
  since: number;
}

export class DeviceSender {
  /** The number of the next packet, and of the next request. */
  sequence = 0;
  readonly #host: DeviceSenderHost;
  readonly #packet: Uint8Array;
  #waiting: Waiting | undefined;

  constructor(host: DeviceSenderHost) {
    this.#host = host;
    this.#packet = new Uint8Array(host.options.maxPayload + PACKET_OVERHEAD);
  }

  /** What the packet that waits for its ACK belongs to. */
  get waiting(): Transfer | undefined {
    return this.#waiting?.transfer;
  }

  /** When the packet that waits is repeated. */
  get deadline(): number | undefined {
    return this.#waiting && this.#waiting.since + this.#waiting.timeout;
  }

  /** Number 0, nothing pending. */
  clear(): void {
    this.sequence = 0;
    this.#waiting = undefined;
  }

  /** Sends packets until the reply is complete or one of them has to wait for its ACK. */
  send(transfer: Transfer): void {
    const host = this.#host;
    if (!host.active) return;
    const { opcode, channel, flags, source } = transfer;
    do {
      const piece = source?.next(host.caps.maxPayload);
      if (source && !piece) {
        host.sendStatus(opcode, channel, Status.FAILED);
        return;
      }
      const fragment = source !== undefined && source.remaining > 0 ? Flag.FRAGMENT : 0;
      const header = this.#header(opcode, channel, flags | fragment, piece?.length ?? 0);
      const packet = this.#build(header, piece);
      if ((flags & Flag.ACK_REQ) !== 0) {
        this.#waiting = {
          packet: packet.slice(),
          header,
          transfer,
          retries: DEVICE_TIMING.rtxRetries,
          timeout: DEVICE_TIMING.rtxTimeoutMs,
          since: host.now,
        };
        host.options.transmit(packet);
        return;
      }
      host.options.transmit(packet);
      this.#advance(flags);
    } while (source && source.remaining > 0);
  }

  /** Goes on with a reply whose last packet was acknowledged, or is to be waited for no more. */
  continue(transfer: Transfer): void {
    if (transfer.source && transfer.source.remaining > 0) this.send(transfer);
  }

  /** An event that needs no ACK. It uses up no number. */
  sendEvent(opcode: number, channel: number, payload: Uint8Array | undefined): void {
    const header = this.#header(opcode, channel, Flag.EVENT, payload?.length ?? 0);
    this.#host.options.transmit(this.#build(header, payload));
  }

  /** An ACK or NAK of the host's. Returns whether it was for the packet that waits. */
  acknowledged(header: Readonly<PacketHeader>): boolean {
    const waiting = this.#waiting;
    if (!waiting || header.opcode !== waiting.header.opcode || header.sequence !== waiting.header.sequence)
      return false;
    if ((header.flags & Flag.ACK) !== 0) {
      this.#waiting = undefined;
      this.#advance(waiting.transfer.flags);
      this.continue(waiting.transfer);
    } else {
      // The vendor's loop does not clear the status that the NAK has set: it repeats until its retries are used up.
      while (this.#waiting === waiting) this.#repeat(waiting);
    }
    return true;
  }

  /** Repeats what was not acknowledged in time. */
  tick(): void {
    const waiting = this.#waiting;
    // The same sum as the deadline's: a difference may round to less than the timeout.
    if (waiting && this.#host.now >= waiting.since + waiting.timeout) this.#repeat(waiting);
  }

  #repeat(waiting: Waiting): void {
    const host = this.#host;
    if (waiting.retries-- <= 0) {
      host.reset();
      if (waiting.transfer.source?.outlivesReset) this.continue(waiting.transfer);
      return;
    }
    waiting.timeout *= 2;
    waiting.since = host.now;
    host.stats.retransmits++;
    waiting.header.flags |= Flag.RTX;
    writeHeader(waiting.packet, 0, waiting.header, host.caps.crc);
    host.options.transmit(waiting.packet);
  }

  #advance(flags: number): void {
    if ((flags & Flag.EVENT) !== 0) return;
    this.sequence = (this.sequence + 1) & 0xff;
    this.#host.stats.sentPackets++;
  }

  #header(opcode: number, channel: number, flags: number, length: number): PacketHeader {
    return { sequence: this.sequence, channel, flags, opcode, length };
  }

  #build(header: PacketHeader, payload: Uint8Array | undefined): Uint8Array {
    const { crc } = this.#host.caps;
    if (payload) writePacket(this.#packet, 0, header, payload, 0, crc);
    else writeHeader(this.#packet, 0, header, crc);
    return this.#packet.subarray(0, payload ? packetSize(header.length) : HEADER_SIZE);
  }
}
