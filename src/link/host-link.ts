/**
 * The host's end of the line, without I/O: synchronisation, negotiation, numbers, acknowledgements, fragments,
 * repetition, deadlines. Bytes and `now` go in; packets, outcomes and events come out through the sink and the
 * requests; `deadline` says when `tick` wants to be called. README.md has the table of transitions.
 *
 * One request is under way at a time, but for READs whose number of packets is certain (`ahead`). What went wrong in a way that leaves the device's number unknown ends in
 * SYNC, which makes both sides start again; the host never sends a NAK, because the vendor's device answers one by
 * repeating three times and resetting itself.
 */
import type { BridgeError } from '../errors.js';
import {
  type Capabilities,
  Flag,
  type PacketHeader,
  type PacketSink,
  type PayloadSlot,
  StreamDecoder,
  SystemEvent,
} from '../protocol/index.js';
import { HostHandshake } from './host-handshake.js';
import { HostRequests } from './host-requests.js';
import { HostSession } from './host-session.js';
import type {
  HostLinkOptions,
  HostLinkSink,
  LinkRequest,
  LinkState,
  LinkStats,
  LossReason,
} from './link-types.js';

/** Largest payload believed before the limit is negotiated: the largest of any board is 8,178. */
const UNNEGOTIATED_PAYLOAD = 16_384;

export class HostLink implements PacketSink {
  readonly #sink: HostLinkSink;
  readonly #options: HostLinkOptions;
  readonly #session: HostSession;
  readonly #decoder: StreamDecoder;
  readonly #handshake: HostHandshake;
  readonly #requests: HostRequests;

  constructor(options: HostLinkOptions, sink: HostLinkSink) {
    this.#options = options;
    this.#sink = sink;
    this.#session = new HostSession(options.wanted, (bytes) => sink.transmit(bytes));
    this.#decoder = new StreamDecoder(this, options.maxPayload ?? UNNEGOTIATED_PAYLOAD);
    this.#handshake = new HostHandshake(this.#session, options.wanted, {
      request: (request) => this.#requests.begin(request),
      agreed: (caps) => this.#agreed(caps),
      failed: (error) => this.#fail(error),
    });
    this.#requests = new HostRequests(this.#session, {
      restart: (reason) => this.#restart(reason),
      detach: () => this.#decoder.detach(),
    });
  }

  /** Goes up at each synchronisation: what was learnt of the device before need not be true any more. */
  get session(): number {
    return this.#session.number;
  }

  get state(): LinkState {
    return this.#session.state;
  }

  /** What was negotiated last, what is wanted before; in force while the link is ready. */
  get caps(): Capabilities {
    return this.#session.caps;
  }

  get stats(): LinkStats {
    const { counters, roundTrip } = this.#session;
    const { packets, bytes, headerErrors, payloadErrors, discardedBytes } = this.#decoder.stats;
    return {
      ...counters,
      naks: { ...counters.naks },
      packetsReceived: packets,
      bytesReceived: bytes,
      headerErrors,
      payloadErrors,
      discardedBytes,
      roundTripMs: roundTrip.smoothedMs,
    };
  }

  /** Begins: SYNC, then the capabilities. `ready` or `failed` follows. */
  connect(now: number): void {
    this.#session.now = now;
    this.#synchronize(undefined);
  }

  /** Makes both sides start again; the request under way is settled as lost, or repeated if it may be. */
  resync(now: number, reason: LossReason): void {
    this.#session.now = now;
    if (this.#session.ready) this.#synchronize(reason);
  }

  /** Ends the link: everything is settled as lost. */
  close(): void {
    if (!this.#session.open) return;
    this.#end('closed');
  }

  /** Queues a request. It is settled at once when the link is closed or too many wait already. */
  submit(request: LinkRequest, now: number): void {
    this.#session.now = now;
    const queued = this.#session.open && this.#requests.submit(request);
    if (!queued) request.settle({ kind: 'lost', reason: 'closed' });
  }

  /** Forgets a request: it is not settled, and nothing is written to its destination any more. */
  cancel(request: LinkRequest): void {
    this.#requests.cancel(request);
  }

  /** Takes bytes from the device, in any chunking. */
  receive(bytes: Uint8Array, now: number): void {
    const session = this.#session;
    session.now = now;
    this.#decoder.push(bytes);
    if (session.ready && this.#decoder.inPacket) session.wait.packetArrives(now);
  }

  /** When `tick` wants to be called; undefined: not until something happens. */
  deadline(): number | undefined {
    return this.#requests.heldUntil ?? this.#session.wait.deadline;
  }

  tick(now: number): void {
    const session = this.#session;
    const { wait } = session;
    session.now = now;
    if (session.ready && !this.#requests.underWay) {
      this.#requests.startNext();
      return;
    }
    if (!wait.over(now) || wait.prolong(now)) return;
    // Packets may stand in what was taken for the payload of one that was cut short: look before giving up.
    while (this.#decoder.inPacket) {
      this.#decoder.abandon();
      if (!wait.over(now)) return;
    }
    if (session.ready) this.#requests.timeout();
    else this.#retry();
  }

  /** The decoder asks where a payload goes. */
  place(header: Readonly<PacketHeader>, slot: PayloadSlot): void {
    if (this.#session.ready) this.#requests.place(header, slot);
  }

  /** The decoder has a good packet. */
  packet(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    const { state, open } = this.#session;
    if (!open) return;
    if ((header.flags & Flag.EVENT) !== 0) this.#takeEvent(header, payload);
    else if (state === 'syncing') {
      this.#requests.takeLate(header);
      this.#handshake.takeAnswer(header);
      if (this.#session.state !== 'syncing') this.#requests.synchronized();
    } else this.#requests.take(header, payload);
  }

  #takeEvent(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    const session = this.#session;
    if ((header.flags & Flag.ACK_REQ) !== 0) session.acknowledge(header);
    const { buffer, offset } = payload;
    const event = header.length >= 2 ? buffer[offset]! | (buffer[offset + 1]! << 8) : SystemEvent.NOTIFY;
    session.counters.events++;
    const { channel } = header;
    if (channel === 0 && event === SystemEvent.SOFT_REBOOT) this.resync(session.now, 'reboot');
    if (session.open) this.#sink.event(channel, event);
  }

  /** SYNC, now. The device's capabilities are the defaults again from here on. */
  #synchronize(reason: LossReason | undefined): void {
    const session = this.#session;
    session.state = 'syncing';
    session.number++;
    session.reason = reason;
    if (reason !== undefined) session.counters.resyncs++;
    const interrupted = this.#requests.interrupt();
    this.#decoder.detach();
    this.#decoder.crc = true;
    this.#decoder.maxPayload = this.#options.maxPayload ?? UNNEGOTIATED_PAYLOAD;
    this.#handshake.begin();
    // Last, because it calls the owner, who may submit or close.
    this.#requests.lose(interrupted, reason ?? 'timeout');
  }

  #agreed(caps: Capabilities): void {
    const session = this.#session;
    session.caps = caps;
    this.#decoder.crc = caps.crc;
    this.#decoder.maxPayload = caps.maxPayload;
    session.state = 'ready';
    session.wait.disarm();
    this.#sink.ready(caps, session.reason);
    this.#requests.startNext();
  }

  /** The device's number is not known any more. */
  #restart(reason: LossReason): void {
    if (this.#session.ready) this.#synchronize(reason);
    else this.#retry();
  }

  /** Before the link is ready: SYNC again, as often as that makes sense. */
  #retry(): void {
    this.#requests.interrupt();
    this.#handshake.retry();
  }

  #fail(error: BridgeError): void {
    this.#end('failed');
    this.#sink.failed(error);
  }

  #end(state: 'closed' | 'failed'): void {
    this.#session.state = state;
    this.#session.wait.disarm();
    this.#requests.loseAll('closed');
  }
}
