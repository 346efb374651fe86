/**
 * The host's end of the line, without I/O: synchronisation, negotiation, numbers, acknowledgements, fragments,
 * repetition, deadlines. Bytes and `now` go in; packets, outcomes and events come out through the sink and the
 * requests; `deadline` says when `tick` wants to be called. README.md has the table of transitions.
 *
 * One request is under way at a time. What went wrong in a way that leaves the device's number unknown ends in
 * SYNC, which makes both sides begin anew; the host never sends a NAK, because the vendor's device answers one by
 * repeating three times and resetting itself.
 */
import type { BridgeError } from '../errors.js';
import { Flag, Opcode, Status, SystemEvent, statusName } from '../protocol/constants.js';
import { type PacketSink, type PayloadSlot, StreamDecoder } from '../protocol/decoder.js';
import type { PacketHeader } from '../protocol/packet.js';
import type { Capabilities } from '../protocol/structures.js';
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
import { getCapsRequest, setCapsRequest } from './negotiation.js';
import { PacketSender } from './packet-sender.js';
import { MAX_READ_FRAGMENTS } from './read-reply.js';
import { RoundTrip } from './round-trip.js';
import { SyncAttempts } from './sync-attempts.js';
import { HOST_TIMING } from './timing.js';
import { Wait } from './wait.js';

/** Largest payload believed before the limit is negotiated: the largest of any board is 8,178. */
const UNNEGOTIATED_PAYLOAD = 16_384;
/** Requests that may wait; more is a caller that does not wait for its replies. */
const MAX_QUEUED = 1_024;
/** How often a request is repeated that the device refused unread. */
const MAX_CHECKSUM_REPEATS = 20;

export class HostLink implements PacketSink {
  readonly #sink: HostLinkSink;
  readonly #options: HostLinkOptions;
  readonly #decoder: StreamDecoder;
  readonly #roundTrip = new RoundTrip();
  readonly #attempts = new SyncAttempts(this.#roundTrip);
  readonly #wait = new Wait();
  readonly #sender: PacketSender;
  readonly #queue: LinkRequest[] = [];
  readonly #counters = {
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
  #state: LinkState = 'closed';
  #caps: Capabilities;
  #deviceLimit: number | undefined;
  #session = 0;
  #sequence = 0;
  #exchange: Exchange | undefined;
  #resyncReason: LossReason | undefined;
  #holdUntil = 0;
  #now = 0;

  constructor(options: HostLinkOptions, sink: HostLinkSink) {
    this.#options = options;
    this.#sink = sink;
    this.#caps = options.wanted;
    this.#sender = new PacketSender((bytes) => sink.transmit(bytes));
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
    const { packetsSent, bytesSent, acksSent } = this.#sender;
    return {
      ...this.#counters,
      packetsSent,
      bytesSent,
      acksSent,
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
    this.#wait.disarm();
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
    if (this.#state === 'ready' && this.#decoder.inPacket) this.#wait.packetArrives(now);
  }

  /** When `tick` wants to be called; undefined: not until something happens. */
  deadline(): number | undefined {
    const held = this.#state === 'ready' && !this.#exchange && this.#queue.length > 0;
    return held ? this.#holdUntil : this.#wait.deadline;
  }

  tick(now: number): void {
    this.#now = now;
    if (this.#state === 'ready' && !this.#exchange) {
      this.#startNext();
      return;
    }
    if (!this.#wait.over(now) || this.#wait.prolong(now)) return;
    // Packets may stand in what was taken for the payload of one that was cut short: look before giving up.
    while (this.#decoder.inPacket) {
      this.#decoder.abandon();
      if (!this.#wait.over(now)) return;
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
    if ((header.flags & Flag.ACK_REQ) !== 0) this.#sender.acknowledge(header, this.#crc);
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
      if (!this.#attempts.patient(this.#now)) return;
      // A NAK tells that our SYNC was taken for the rest of a request that was cut short: it is free now.
      if ((header.flags & Flag.NAK) !== 0) this.#sendSync();
      else this.#wait.arm(this.#now, this.#attempts.waitMs);
      return;
    }
    this.#sequence = 0;
    this.#attempts.answered(this.#now);
    this.#state = 'negotiating';
    this.#negotiate();
  }

  #negotiate(): void {
    const failed = (error: BridgeError): void => this.#fail(error);
    if (this.#deviceLimit === undefined) {
      const known = (limit: number): void => {
        this.#deviceLimit = limit;
        this.#negotiate();
      };
      this.#begin(getCapsRequest(known, failed));
    } else {
      const agreed = (caps: Capabilities): void => this.#negotiated(caps);
      this.#begin(setCapsRequest(this.#options.wanted, this.#deviceLimit, agreed, failed));
    }
  }

  #negotiated(caps: Capabilities): void {
    const reason = this.#resyncReason;
    this.#caps = caps;
    this.#decoder.crc = caps.crc;
    this.#decoder.maxPayload = caps.maxPayload;
    this.#state = 'ready';
    this.#wait.disarm();
    this.#sink.ready(caps, reason);
    this.#startNext();
  }

  /** SYNC, now. The device's capabilities are the defaults again from here on. */
  #synchronize(reason: LossReason | undefined): void {
    this.#state = 'syncing';
    this.#session++;
    this.#resyncReason = reason;
    this.#attempts.begin(this.#now);
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
    this.#sender.sync();
    this.#attempts.sent();
    this.#wait.arm(this.#now, this.#attempts.waitMs);
  }

  #retrySync(): void {
    const error = this.#attempts.failed(this.#now);
    if (error) {
      this.#fail(error);
      return;
    }
    if (this.#state === 'negotiating') this.#attempts.restart(this.#now);
    this.#state = 'syncing';
    this.#exchange = undefined;
    this.#sendSync();
  }

  #fail(error: BridgeError): void {
    this.#state = 'failed';
    this.#wait.disarm();
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
    this.#sender.send(exchange.header, request.payload, this.#crc);
    if (request.silent) {
      request.settle({ kind: 'ack' });
      return;
    }
    this.#exchange = exchange;
    if (this.#state === 'ready') this.#armReply(request.timeoutMs ?? 0);
    else this.#wait.arm(this.#now, this.#attempts.waitMs);
  }

  #armReply(least: number): void {
    const wait = this.#caps.ack ? HOST_TIMING.ackReplyMs : this.#roundTrip.replyMs;
    this.#wait.arm(this.#now, Math.max(wait, least));
  }

  #takeReply(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    if ((header.flags & Flag.ACK_REQ) !== 0) {
      if (this.#state === 'ready' && !this.#caps.ack) {
        // We agreed on none: the device has begun anew with its defaults, and its number fitted by chance.
        this.#synchronize('sequence');
        return;
      }
      this.#sender.acknowledge(header, this.#crc);
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
    this.#wait.arm(this.#now, this.#caps.ack ? HOST_TIMING.ackReplyMs : HOST_TIMING.fragmentMs);
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
      this.#wait.disarm();
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

  /** Until the capabilities are agreed on the device has its defaults, CRCs among them. */
  get #crc(): boolean {
    return this.#state !== 'ready' || this.#caps.crc;
  }
}
