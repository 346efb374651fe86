/**
 * Where the host's link stands: what its parts (`HostLink`, `HostHandshake`, `HostRequests`) know in common, and how
 * they send.
 */
import {
  type Capabilities,
  Flag,
  HOST_MIN_PAYLOAD,
  Opcode,
  PACKET_OVERHEAD,
  type PacketHeader,
  writePacket,
} from '../protocol/index.js';
import type { LinkState, LossReason } from './link-types.js';
import { RoundTrip } from './round-trip.js';
import { Wait } from './wait.js';

const EMPTY = new Uint8Array(0);

export class HostSession {
  state: LinkState = 'closed';
  /** Agreed on, once the link is ready; wanted, or agreed on the last time, before. */
  caps: Capabilities;
  /** Goes up at each synchronisation. */
  number = 0;
  /** Why it was synchronised last; undefined: for the first time. */
  reason: LossReason | undefined;
  /** The device's number: the next request's. */
  sequence = 0;
  /** The time of the current call. */
  now = 0;
  readonly wait = new Wait();
  readonly roundTrip = new RoundTrip();
  readonly counters = {
    packetsSent: 0,
    bytesSent: 0,
    acksSent: 0,
    requests: 0,
    retries: 0,
    duplicates: 0,
    stale: 0,
    naks: {} as Record<string, number>,
    events: 0,
    timeouts: 0,
    resyncs: 0,
    fragmentsLost: 0,
  };
  readonly #transmit: (bytes: Uint8Array) => void;
  /** All packets are built in it. */
  #packet = new Uint8Array(HOST_MIN_PAYLOAD + PACKET_OVERHEAD);

  /** `transmit`: bytes are valid only during the call. */
  constructor(wanted: Capabilities, transmit: (bytes: Uint8Array) => void) {
    this.caps = wanted;
    this.#transmit = transmit;
  }

  get open(): boolean {
    return this.state !== 'closed' && this.state !== 'failed';
  }

  get ready(): boolean {
    return this.state === 'ready';
  }

  /** `crc`: until the capabilities are agreed on the device has its defaults, CRCs among them. */
  send(header: Readonly<PacketHeader>, payload: Uint8Array, crc = !this.ready || this.caps.crc): void {
    if (this.#packet.length < payload.length + PACKET_OVERHEAD) {
      this.#packet = new Uint8Array(payload.length + PACKET_OVERHEAD);
    }
    const size = writePacket(this.#packet, 0, header, payload, 0, crc);
    this.counters.packetsSent++;
    this.counters.bytesSent += size;
    this.#transmit(this.#packet.subarray(0, size));
  }

  /** SYNC has number 0, and its CRC whatever was agreed on. */
  sendSync(): void {
    this.send({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC, length: 0 }, EMPTY, true);
  }

  /** Echoes the packet's opcode, channel and number, without a payload: the device looks for ten bare bytes. */
  acknowledge({ sequence, channel, opcode }: Readonly<PacketHeader>): void {
    this.counters.acksSent++;
    this.send({ sequence, channel, flags: Flag.ACK, opcode, length: 0 }, EMPTY);
  }
}
