/**
 * The host's end of the line, without I/O: synchronisation, negotiation, numbers, acknowledgements, fragments,
 * repetition, deadlines. Bytes and `now` go in; packets, outcomes and events come out through the sink and the
 * requests; `deadline` says when `tick` wants to be called. README.md has the table of transitions.
 *
 * One request is under way at a time. What went wrong in a way that leaves the device's number unknown ends in
 * SYNC, which makes both sides begin anew; the host never sends a NAK, because the vendor's device answers one by
 * repeating three times and resetting itself.
 */
import { asBridgeError, BridgeError } from '../errors.js';
import {
  DEVICE_MIN_PAYLOAD,
  Flag,
  HOST_MIN_PAYLOAD,
  Opcode,
  PACKET_OVERHEAD,
  Status,
  SystemEvent,
  statusName,
} from '../protocol/constants.js';
import { type PacketSink, type PayloadSlot, StreamDecoder } from '../protocol/decoder.js';
import { type PacketHeader, writePacket } from '../protocol/packet.js';
import { type Capabilities, decodeCaps, encodeCaps } from '../protocol/structures.js';
import { Exchange } from './exchange.js';
import type {
  HostLinkOptions,
  HostLinkSink,
  LinkOutcome,
  LinkRequest,
  LinkState,
  LinkStats,
  LossReason,
} from './link-types.js';
import { MAX_READ_FRAGMENTS } from './read-reply.js';
import { RoundTrip } from './round-trip.js';
import { HOST_TIMING } from './timing.js';

/** Largest payload believed before the limit is negotiated: the largest of any board is 8,178. */
const UNNEGOTIATED_PAYLOAD = 16_384;
/** Requests that may wait; more is a caller that does not wait for its replies. */
const MAX_QUEUED = 1_024;
/** How often a request is repeated that the device refused unread. */
const MAX_CHECKSUM_REPEATS = 20;

const EMPTY = new Uint8Array(0);

export class HostLink implements PacketSink {
  readonly #sink: HostLinkSink;
  readonly #options: HostLinkOptions;
  readonly #decoder: StreamDecoder;
  readonly #roundTrip = new RoundTrip();
  readonly #queue: LinkRequest[] = [];
  readonly #counters = {
    packetsSent: 0,
    bytesSent: 0,
    requests: 0,
    retries: 0,
    acksSent: 0,
    duplicates: 0,
    stale: 0,
    naks: {} as Record<string, number>,
    events: 0,
    timeouts: 0,
    resyncs: 0,
    fragmentsLost: 0,
  };
  #state: LinkState = 'closed';
  #caps: Capabilities;
  #deviceLimit: number | undefined;
  #packet = new Uint8Array(HOST_MIN_PAYLOAD + PACKET_OVERHEAD);
  #session = 0;
  #sequence = 0;
  #exchange: Exchange | undefined;
  #resyncReason: LossReason | undefined;
  #syncAttempt = 0;
  #syncWait = 0;
  #syncStarted = 0;
  /** The first SYNC that has not been answered. */
  #syncSince = 0;
  #holdUntil = 0;
  #deadline: number | undefined;
  /** How far a packet that is still arriving may put the deadline off. */
  #latestDeadline = 0;
  /** This wait has been prolonged, because its tick came late. */
  #stalled = false;
  #now = 0;

  constructor(options: HostLinkOptions, sink: HostLinkSink) {
    this.#options = options;
    this.#sink = sink;
    this.#caps = options.wanted;
    this.#decoder = new StreamDecoder(this, options.maxPayload ?? UNNEGOTIATED_PAYLOAD);
  }

  /** Goes up at each synchronisation: what was learnt of the device before need not be true any more. */
  get session(): number {
    return this.#session;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** What was negotiated last, what is wanted before; in force while the link is ready. */
  get caps(): Capabilities {
    return this.#caps;
  }

  get stats(): LinkStats {
    const { packets, bytes, headerErrors, payloadErrors, discardedBytes } = this.#decoder.stats;
    return {
      ...this.#counters,
      naks: { ...this.#counters.naks },
      packetsReceived: packets,
      bytesReceived: bytes,
      headerErrors,
      payloadErrors,
      discardedBytes,
      roundTripMs: this.#roundTrip.smoothedMs,
    };
  }

  /** Begins: SYNC, then the capabilities. `ready` or `failed` follows. */
  connect(now: number): void {
    this.#now = now;
    this.#synchronize(undefined);
  }

  /** Makes both sides begin anew; the request under way is settled as lost, or repeated if it may be. */
  resync(now: number, reason: LossReason): void {
    this.#now = now;
    if (this.#state === 'ready') this.#synchronize(reason);
  }

  /** Ends the link: everything is settled as lost. */
  close(): void {
    if (!this.#open) return;
    this.#state = 'closed';
    this.#deadline = undefined;
    this.#loseAll('closed');
  }

  /** Queues a request. It is settled at once when the link is closed or too many wait already. */
  submit(request: LinkRequest, now: number): void {
    this.#now = now;
    if (!this.#open || this.#queue.length >= MAX_QUEUED) {
      request.settle({ kind: 'lost', reason: 'closed' });
      return;
    }
    this.#queue.push(request);
    this.#startNext();
  }

  /** Takes bytes from the device, in any chunking. */
  receive(bytes: Uint8Array, now: number): void {
    this.#now = now;
    this.#decoder.push(bytes);
    // A long packet takes its time on a slow line: while it arrives, the device is not silent.
    if (this.#state === 'ready' && this.#deadline !== undefined && this.#decoder.inPacket) {
      const until = Math.min(this.#latestDeadline, now + HOST_TIMING.fragmentMs);
      this.#deadline = Math.max(this.#deadline, until);
    }
  }

  /** When `tick` wants to be called; undefined: not until something happens. */
  deadline(): number | undefined {
    const held = this.#state === 'ready' && !this.#exchange && this.#queue.length > 0;
    return held ? this.#holdUntil : this.#deadline;
  }

  tick(now: number): void {
    this.#now = now;
    if (this.#state === 'ready' && !this.#exchange) {
      this.#startNext();
      return;
    }
    if (this.#deadline === undefined || now < this.#deadline) return;
    if (!this.#stalled && now > this.#deadline + HOST_TIMING.stallMs) {
      this.#stalled = true;
      this.#deadline = now + HOST_TIMING.stallMs;
      return;
    }
    // Packets may stand in what was taken for the payload of one that was cut short: look before giving up.
    while (this.#decoder.inPacket) {
      this.#decoder.abandon();
      if (this.#deadline === undefined || now < this.#deadline) return;
    }
    if (this.#state === 'syncing' || this.#state === 'negotiating') this.#retrySync();
    else if (this.#exchange) this.#timeout(this.#exchange);
  }

  get #open(): boolean {
    return this.#state !== 'closed' && this.#state !== 'failed';
  }

  /** The decoder asks where a payload goes. */
  place(header: Readonly<PacketHeader>, slot: PayloadSlot): void {
    if (this.#state === 'ready') this.#exchange?.place(header, slot);
  }

  /** The decoder has a good packet. */
  packet(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    if (!this.#open) return;
    if ((header.flags & Flag.EVENT) !== 0) this.#takeEvent(header, payload);
    else if (this.#state === 'syncing') this.#takeSyncAnswer(header);
    else this.#takeReply(header, payload);
  }

  #takeEvent(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    if ((header.flags & Flag.ACK_REQ) !== 0) this.#acknowledge(header);
    const { buffer, offset } = payload;
    const event = header.length >= 2 ? buffer[offset]! | (buffer[offset + 1]! << 8) : SystemEvent.NOTIFY;
    this.#counters.events++;
    const { channel } = header;
    if (channel === 0 && event === SystemEvent.SOFT_REBOOT) this.resync(this.#now, 'reboot');
    if (this.#open) this.#sink.event(channel, event);
  }

  #takeSyncAnswer(header: Readonly<PacketHeader>): void {
    if (header.opcode !== Opcode.PROTO_SYNC || (header.flags & Flag.ACK) === 0) {
      // Old data still on its way, as after a long reply with acks off: the device will answer behind it.
      this.#counters.stale++;
      if (this.#now - this.#syncStarted >= HOST_TIMING.syncTotalMs) return;
      // A NAK tells that our SYNC was taken for the rest of a request that was cut short: it is free now.
      if ((header.flags & Flag.NAK) !== 0) this.#sendSync();
      else this.#arm(this.#syncWait);
      return;
    }
    this.#sequence = 0;
    this.#syncAttempt = 0;
    this.#state = 'negotiating';
    // What the answer took at most: a slower device must not be asked again before it can have answered.
    const took = this.#now - this.#syncSince;
    this.#syncWait = Math.min(HOST_TIMING.maxSyncMs, Math.max(this.#firstSyncWait, 2 * took));
    if (this.#deviceLimit === undefined) this.#begin(this.#getCaps());
    else this.#begin(this.#setCaps(this.#deviceLimit));
  }

  #getCaps(): LinkRequest {
    return internal(Opcode.PROTO_GET_CAPS, EMPTY, (outcome) => {
      if (outcome.kind !== 'reply') return;
      try {
        this.#deviceLimit = decodeCaps(outcome.payload).maxPayload;
      } catch (error) {
        this.#fail(asBridgeError(error));
        return;
      }
      this.#begin(this.#setCaps(this.#deviceLimit));
    });
  }

  #setCaps(deviceLimit: number): LinkRequest {
    const { wanted } = this.#options;
    const asked = Math.min(deviceLimit, Math.max(HOST_MIN_PAYLOAD, wanted.maxPayload));
    const maxPayload = Math.max(DEVICE_MIN_PAYLOAD, asked);
    const caps = { ...wanted, maxPayload };
    return internal(Opcode.PROTO_SET_CAPS, encodeCaps(caps), (outcome) => {
      if (outcome.kind === 'ack') this.#negotiated(caps);
      else if (outcome.kind === 'nak') {
        this.#fail(
          new BridgeError(
            'CAMERA_PROTOCOL',
            `The camera refused the link settings (max payload ${maxPayload}, status ${statusName(outcome.status)}). Try without --max-payload, and update its firmware to 5.x.`,
            { context: { maxPayload, status: outcome.status } },
          ),
        );
      }
    });
  }

  #negotiated(caps: Capabilities): void {
    const reason = this.#resyncReason;
    this.#caps = caps;
    this.#decoder.crc = caps.crc;
    this.#decoder.maxPayload = caps.maxPayload;
    this.#state = 'ready';
    this.#deadline = undefined;
    this.#sink.ready(caps, reason);
    this.#startNext();
  }

  /** SYNC, now. The device's capabilities are the defaults again from here on. */
  #synchronize(reason: LossReason | undefined): void {
    this.#state = 'syncing';
    this.#session++;
    this.#resyncReason = reason;
    this.#syncAttempt = 0;
    this.#syncStarted = this.#now;
    this.#syncSince = this.#now;
    if (reason !== undefined) this.#counters.resyncs++;
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#decoder.detach();
    this.#decoder.crc = true;
    this.#decoder.maxPayload = this.#options.maxPayload ?? UNNEGOTIATED_PAYLOAD;
    this.#sendSync();
    // Last, because it calls the owner, who may submit or close.
    if (exchange) this.#lose(exchange, reason ?? 'timeout');
  }

  #sendSync(): void {
    this.#sequence = 0;
    this.#transmit({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC, length: 0 }, EMPTY);
    this.#armSync();
  }

  get #firstSyncWait(): number {
    const measured = this.#roundTrip.smoothedMs > 0;
    return measured ? Math.min(HOST_TIMING.syncMs, this.#roundTrip.replyMs) : HOST_TIMING.syncMs;
  }

  #armSync(): void {
    this.#syncWait = Math.min(HOST_TIMING.maxSyncMs, this.#firstSyncWait * 2 ** this.#syncAttempt);
    this.#arm(this.#syncWait);
  }

  #retrySync(): void {
    this.#syncAttempt++;
    const spent = this.#now - this.#syncStarted;
    if (this.#syncAttempt >= HOST_TIMING.syncAttempts || spent > HOST_TIMING.syncTotalMs) {
      this.#fail(
        new BridgeError(
          'CAMERA_SILENT',
          'The camera did not answer the attempts to synchronise. Unplug it and plug it in again; if that does not help, update its firmware to 5.x with the OpenMV IDE.',
          { context: { unanswered: this.#syncAttempt, spentMs: Math.round(spent) } },
        ),
      );
      return;
    }
    if (this.#state === 'negotiating') this.#syncSince = this.#now;
    this.#state = 'syncing';
    this.#exchange = undefined;
    this.#sendSync();
  }

  #fail(error: BridgeError): void {
    this.#state = 'failed';
    this.#deadline = undefined;
    this.#loseAll('closed');
    this.#sink.failed(error);
  }

  /** Sends the next request, if the device may be asked now. */
  #startNext(): void {
    while (this.#state === 'ready' && !this.#exchange && this.#now >= this.#holdUntil) {
      const request = this.#queue.shift();
      if (!request) return;
      if (request.session !== undefined && request.session !== this.#session) {
        request.settle({ kind: 'lost', reason: this.#resyncReason ?? 'timeout' });
        continue;
      }
      const { payload, destination } = request;
      const { maxPayload } = this.#caps;
      if (payload.length > maxPayload || (destination?.length ?? 0) > MAX_READ_FRAGMENTS * maxPayload) {
        request.settle({ kind: 'nak', status: Status.OVERFLOW });
        continue;
      }
      this.#counters.requests++;
      this.#begin(request);
    }
  }

  #begin(request: LinkRequest, refusals = 0): void {
    const exchange = new Exchange(request, this.#sequence, this.#caps.maxPayload, this.#now, refusals);
    this.#transmit(exchange.header, request.payload);
    if (request.silent) {
      request.settle({ kind: 'ack' });
      return;
    }
    this.#exchange = exchange;
    if (this.#state === 'ready') this.#armReply(request.timeoutMs ?? 0);
    else this.#arm(this.#syncWait);
  }

  #armReply(least: number): void {
    const wait = this.#caps.ack ? HOST_TIMING.ackReplyMs : this.#roundTrip.replyMs;
    this.#arm(Math.max(wait, least));
  }

  #arm(wait: number): void {
    this.#deadline = this.#now + wait;
    this.#latestDeadline = this.#now + HOST_TIMING.packetMs;
    this.#stalled = false;
  }

  #takeReply(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    if ((header.flags & Flag.ACK_REQ) !== 0) {
      if (this.#state === 'ready' && !this.#caps.ack) {
        // We agreed on none: the device has begun anew with its defaults, and its number fitted by chance.
        this.#synchronize('sequence');
        return;
      }
      this.#acknowledge(header);
    }
    if ((header.flags & Flag.NAK) !== 0) {
      this.#takeNak(header, payload);
      return;
    }
    const exchange = this.#exchange;
    if (!exchange?.expects(header)) {
      if ((header.flags & Flag.RTX) !== 0) this.#counters.duplicates++;
      else this.#counters.stale++;
      return;
    }
    // A repeated packet says nothing about the line: it was held back by a loss.
    if (!exchange.begun && (header.flags & Flag.RTX) === 0) {
      this.#roundTrip.measured(this.#now - exchange.startedAt);
    }
    const outcome = exchange.take(header, payload);
    if (outcome) this.#finish(exchange, outcome);
    else if (this.#state === 'ready') this.#armFragment();
  }

  #armFragment(): void {
    this.#arm(this.#caps.ack ? HOST_TIMING.ackReplyMs : HOST_TIMING.fragmentMs);
  }

  #takeNak(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    const { buffer, offset } = payload;
    const status = header.length >= 2 ? buffer[offset]! | (buffer[offset + 1]! << 8) : Status.UNKNOWN;
    const name = statusName(status);
    this.#counters.naks[name] = (this.#counters.naks[name] ?? 0) + 1;
    const exchange = this.#exchange;
    if (status === Status.SEQUENCE) {
      // The device counts differently, and each NAK moves its count on: only SYNC is sure to end that.
      if (this.#state === 'ready') this.#synchronize('sequence');
      else this.#retrySync();
      return;
    }
    if (!exchange?.owns(header)) {
      this.#counters.stale++;
      return;
    }
    this.#sequence = (header.sequence + 1) & 0xff;
    if (status === Status.CHECKSUM && exchange.refusals < MAX_CHECKSUM_REPEATS) {
      // Refused unread: it was damaged on the way and has not been carried out.
      this.#counters.retries++;
      this.#exchange = undefined;
      this.#begin(exchange.request, exchange.refusals + 1);
      return;
    }
    this.#settle(exchange, { kind: 'nak', status });
  }

  #timeout(exchange: Exchange): void {
    this.#counters.timeouts++;
    const partial = exchange.partial();
    if (!partial) {
      this.#synchronize('timeout');
    } else if (this.#caps.ack && exchange.numberAfter !== undefined) {
      // The device stands at a fragment that did not get through; only SYNC makes it let go of the rest.
      this.#counters.fragmentsLost += exchange.fragmentsMissing;
      this.#exchange = undefined;
      this.#synchronize('timeout');
      exchange.request.settle(partial);
    } else {
      this.#finish(exchange, partial);
    }
  }

  #finish(exchange: Exchange, outcome: LinkOutcome): void {
    const next = exchange.numberAfter;
    if (outcome.kind === 'read') this.#counters.fragmentsLost += exchange.fragmentsMissing;
    if (next === undefined) {
      this.#synchronize('timeout');
      return;
    }
    this.#sequence = next;
    this.#settle(exchange, outcome);
  }

  #settle(exchange: Exchange, outcome: LinkOutcome): void {
    this.#exchange = undefined;
    // From here on the destination is its owner's again.
    this.#decoder.detach();
    if (this.#state === 'ready') {
      this.#deadline = undefined;
      this.#holdUntil = this.#caps.ack ? this.#now + HOST_TIMING.ackPauseMs : this.#now;
    }
    exchange.request.settle(outcome);
    this.#startNext();
  }

  /** A request that will not be answered any more: repeated after the resynchronisation if it may be. */
  #lose(exchange: Exchange, reason: LossReason): void {
    if (exchange.internal) return;
    const { request } = exchange;
    if (reason !== 'reboot' && request.attempts > 1) {
      this.#counters.retries++;
      this.#queue.unshift({ ...request, attempts: request.attempts - 1, settle: (o) => request.settle(o) });
    } else {
      request.settle({ kind: 'lost', reason });
    }
  }

  #loseAll(reason: LossReason): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#decoder.detach();
    const waiting = this.#queue.splice(0);
    exchange?.request.settle({ kind: 'lost', reason });
    for (const request of waiting) request.settle({ kind: 'lost', reason });
  }

  /** Echoes the packet's opcode, channel and number, without a payload: the device looks for ten bare bytes. */
  #acknowledge(header: Readonly<PacketHeader>): void {
    const { sequence, channel, opcode } = header;
    this.#counters.acksSent++;
    this.#transmit({ sequence, channel, flags: Flag.ACK, opcode, length: 0 }, EMPTY);
  }

  #transmit(header: Readonly<PacketHeader>, payload: Uint8Array): void {
    if (this.#packet.length < payload.length + PACKET_OVERHEAD) {
      this.#packet = new Uint8Array(payload.length + PACKET_OVERHEAD);
    }
    // Until the capabilities are agreed on the device has its defaults, CRCs among them.
    const crc = this.#state !== 'ready' || this.#caps.crc;
    const size = writePacket(this.#packet, 0, header, payload, 0, crc);
    this.#counters.packetsSent++;
    this.#counters.bytesSent += size;
    this.#sink.transmit(this.#packet.subarray(0, size));
  }
}

function internal(opcode: number, payload: Uint8Array, settle: (outcome: LinkOutcome) => void): LinkRequest {
  return { opcode, channel: 0, payload, attempts: 0, settle };
}
