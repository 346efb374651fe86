/**
 * The camera's end of the line: the vendor's device state machine (protocol/omv_protocol.c, firmware 5.0.0)
 * without its I/O. Bytes and `now` go in; packets come out through `transmit`; `deadline` says when `tick`
 * wants to be called. It answers from the channels that were registered and behaves as the vendor's firmware
 * does, also where that is hard on a host: a request it has answered is not answered again, a NAK makes it repeat at
 * once, a request cut short swallows what follows, a lost ACK ends in a reset to the default capabilities.
 */

import {
  type Capabilities,
  DEVICE_MIN_PAYLOAD,
  type DeviceStats,
  decodeCaps,
  encodeHalfWord,
  Flag,
  Opcode,
  PACKET_OVERHEAD,
  type PacketHeader,
  Status,
  SystemEvent,
} from '../../protocol/index.js';
import { DeviceChannels } from './device-channels.js';
import { DeviceReceiver } from './device-receiver.js';
import { answerRequest } from './device-requests.js';
import { DeviceSender } from './device-sender.js';
import { DEVICE_TIMING } from './device-timing.js';
import type { DeviceChannel, DeviceLinkOptions } from './device-types.js';
import { once, type ReplySource } from './reply-source.js';

/** Flags on which the device never asks for an acknowledgement by itself. */
const NO_ACK = Flag.ACK | Flag.NAK | Flag.EVENT;

export class DeviceLink {
  /** A host is there (DTR high). While it is not, nothing is sent and `sendEvent` fails. */
  active = true;
  readonly stats: { -readonly [K in keyof DeviceStats]: DeviceStats[K] } = {
    sentPackets: 0,
    receivedPackets: 0,
    checksumErrors: 0,
    sequenceErrors: 0,
    retransmits: 0,
    transportErrors: 0,
    sentEvents: 0,
  };
  readonly options: DeviceLinkOptions;

  readonly #channels: DeviceChannels;
  readonly #receiver: DeviceReceiver;
  readonly #sender: DeviceSender;
  #caps: Capabilities;
  #lastLock = Number.NEGATIVE_INFINITY;
  #now = 0;
  /** No request is looked at before this time. */
  #restUntil = 0;

  constructor(options: DeviceLinkOptions) {
    this.options = options;
    this.#caps = this.#defaultCaps();
    this.#channels = new DeviceChannels();
    this.#receiver = new DeviceReceiver(options.maxPayload + PACKET_OVERHEAD, this);
    this.#sender = new DeviceSender(this);
  }

  /** The capabilities in force. */
  get caps(): Capabilities {
    return this.#caps;
  }

  /** The number of the next packet, and of the next request. */
  get sequence(): number {
    return this.#sender.sequence;
  }

  /** A reply or event waits for its ACK; the vendor's firmware does not run the script meanwhile. */
  get busy(): boolean {
    return this.#sender.waiting !== undefined;
  }

  /** For the receiver: a reply was completed a moment ago. */
  get resting(): boolean {
    return !this.busy && this.#now < this.#restUntil;
  }

  /** The time of the call at hand. */
  get now(): number {
    return this.#now;
  }

  /**
   * Registers a channel under `id`, or under the first free one; then it is DYNAMIC and announced by a
   * CHANNEL_REGISTERED event. Returns the id, -1 when all 32 are taken.
   */
  register(channel: DeviceChannel, id?: number): number {
    const given = this.#channels.register(channel, id);
    if (id === undefined && given >= 0) {
      this.sendEvent(0, SystemEvent.CHANNEL_REGISTERED, false, this.#now);
    }
    return given;
  }

  /** Drops the channels that a script registered, as the end of the script does. */
  unregisterDynamic(): void {
    this.#channels.unregisterDynamic();
  }

  get channels(): DeviceChannels {
    return this.#channels;
  }

  /** Takes bytes from the host. `now` in milliseconds, on any clock that only goes forward. */
  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    if (this.active) this.#receiver.push(bytes);
  }

  /** Repeats what was not acknowledged in time; goes on with requests that had to wait. */
  tick(now: number): void {
    this.#now = now;
    this.#sender.tick();
    if (this.active) this.#receiver.resume();
  }

  /** When `tick` wants to be called; undefined: not until something happens. */
  deadline(): number | undefined {
    return this.#sender.deadline ?? (this.#receiver.holds && this.resting ? this.#restUntil : undefined);
  }

  /**
   * Sends an event; NOTIFY goes without a payload. false: no host, or events were negotiated off. With
   * `waitAck` the link is busy until the host has acknowledged it or the device has given up.
   */
  sendEvent(channelId: number, event: number, waitAck: boolean, now: number): boolean {
    this.#now = now;
    if (!this.active || !this.#caps.events) return false;
    const opcode = channelId === 0 ? Opcode.SYS_EVENT : Opcode.CHANNEL_EVENT;
    const payload = event === SystemEvent.NOTIFY ? undefined : encodeHalfWord(event);
    this.stats.sentEvents++;
    if (waitAck && this.#caps.ack) {
      if (this.busy) return false;
      this.#sender.send({
        opcode,
        channel: channelId,
        flags: Flag.EVENT | Flag.ACK_REQ,
        source: payload && once(payload),
      });
    } else {
      this.#sender.sendEvent(opcode, channelId, payload);
    }
    return true;
  }

  /** Default capabilities, number 0, locks released, nothing pending. */
  reset(): void {
    this.#sender.clear();
    this.#caps = this.#defaultCaps();
    this.#receiver.clear();
    this.#channels.unlockAll();
  }

  /** For the receiver: whether a request's number is the one expected. */
  acceptsSequence(header: Readonly<PacketHeader>): boolean {
    return (
      !this.#caps.sequence ||
      header.sequence === this.sequence ||
      (header.flags & (Flag.ACK | Flag.NAK)) !== 0 ||
      header.opcode === Opcode.SYS_EVENT ||
      header.opcode === Opcode.CHANNEL_EVENT ||
      header.opcode === Opcode.PROTO_SYNC
    );
  }

  /** For the receiver: what the host answered to the packet that waits. Returns whether it was that packet's. */
  acknowledged(header: Readonly<PacketHeader>): boolean {
    const matched = this.#sender.acknowledged(header);
    if (matched && !this.busy) this.#restUntil = this.#now + (this.options.restMs ?? 0);
    return matched;
  }

  /** For the receiver: SYNC, at any moment. */
  synchronize(): void {
    this.stats.receivedPackets++;
    const interrupted = this.#sender.waiting;
    this.reset();
    this.#reply(Opcode.PROTO_SYNC, 0, Flag.ACK);
    this.#sender.sequence = 0;
    if (interrupted?.source?.outlivesReset) this.#sender.continue(interrupted);
  }

  /** For the receiver: a whole request with good CRCs and the right number. */
  process(header: Readonly<PacketHeader>, payload: Uint8Array): void {
    if (header.opcode === Opcode.PROTO_SYNC) {
      this.synchronize();
      return;
    }
    this.stats.receivedPackets++;
    if (header.opcode === Opcode.PROTO_SET_CAPS) this.#setCaps(payload);
    else answerRequest(this, header, payload);
  }

  /** ACK or, with another status than SUCCESS, NAK; both use up a number. */
  sendStatus(opcode: number, channel: number, status: number): void {
    if (status === Status.SEQUENCE) this.stats.sequenceErrors++;
    if (status === Status.CHECKSUM) this.stats.checksumErrors++;
    if (status === Status.SUCCESS) this.#reply(opcode, channel, Flag.ACK);
    else this.#reply(opcode, channel, Flag.NAK, once(encodeHalfWord(status)));
  }

  /** A data reply, in as many fragments as it needs. */
  sendData(opcode: number, channel: number, source: ReplySource): void {
    this.#reply(opcode, channel, 0, source);
  }

  /** Whether LOCK may be tried again; one per 10 ms over all channels. */
  lockAllowed(): boolean {
    return this.#now - this.#lastLock >= DEVICE_TIMING.lockIntervalMs;
  }

  locked(): void {
    this.#lastLock = this.#now;
  }

  #reply(opcode: number, channel: number, flags: number, source?: ReplySource): void {
    const ackRequested = this.#caps.ack && (flags & NO_ACK) === 0 ? Flag.ACK_REQ : 0;
    this.#sender.send({ opcode, channel, flags: flags | ackRequested, source });
  }

  #setCaps(payload: Uint8Array): void {
    const caps = payload.length === 16 ? decodeCaps(payload) : undefined;
    if (!caps || caps.maxPayload < DEVICE_MIN_PAYLOAD || caps.maxPayload > this.options.maxPayload) {
      this.sendStatus(Opcode.PROTO_SET_CAPS, 0, Status.INVALID);
      return;
    }
    this.sendStatus(Opcode.PROTO_SET_CAPS, 0, Status.SUCCESS);
    this.#caps = caps;
  }

  #defaultCaps(): Capabilities {
    return { crc: true, sequence: true, ack: true, events: true, maxPayload: this.options.maxPayload };
  }
}
