/**
 * The host's requests: those that wait, those under way, and how each of them ends. One is under way at a time, but for
 * requests that are `ahead`. README.md has the table of transitions; this is `ready`, and the requests of `negotiating`.
 */

import { Flag, type PacketHeader, type PayloadSlot, Status, statusName } from '../protocol/index.js';
import { Exchange } from './exchange.js';
import type { HostSession } from './host-session.js';
import type { LinkOutcome, LinkRequest, LossReason } from './link-types.js';
import { MAX_READ_FRAGMENTS } from './read-reply.js';
import { HOST_TIMING } from './timing.js';
import { UnderWay } from './under-way.js';

/** Requests that may wait; more is a caller that does not wait for its replies. */
const MAX_QUEUED = 1_024;
/** How often a request is repeated that the device refused unread. */
const MAX_CHECKSUM_REPEATS = 20;

/** What the requests ask of the link. */
export interface RequestsOwner {
  /** The device's number is not known any more: starts again with SYNC. */
  restart(reason: LossReason): void;
  /** Nothing may be written to the destination of a request that is over. */
  detach(): void;
}

export class HostRequests {
  readonly #session: HostSession;
  readonly #owner: RequestsOwner;
  readonly #queue: LinkRequest[] = [];
  readonly #underWay = new UnderWay();
  /** Given up unanswered: its answer may still come, and tell how slow the device is. */
  #givenUp: Exchange | undefined;
  /** The pause behind a reply, acks on. */
  #holdUntil = 0;

  constructor(session: HostSession, owner: RequestsOwner) {
    this.#session = session;
    this.#owner = owner;
  }

  get underWay(): boolean {
    return this.#underWay.first !== undefined;
  }

  /** When the next one may be sent, if one waits for nothing else. */
  get heldUntil(): number | undefined {
    const next = this.#session.ready && !this.underWay ? this.#queue[0] : undefined;
    return next && (next.prompt ? this.#session.now : this.#holdUntil);
  }

  /** Queues a request; false: there are too many. */
  submit(request: LinkRequest): boolean {
    if (this.#queue.length >= MAX_QUEUED) return false;
    this.#queue.push(request);
    this.startNext();
    return true;
  }

  /** Sends the next request, if the device may be asked now. */
  startNext(): void {
    const session = this.#session;
    while (session.ready) {
      const request = this.#queue[0];
      if (!request || !this.#maySend(request)) return;
      this.#queue.shift();
      const refused = this.#refusal(request);
      if (refused) {
        request.settle(refused);
        continue;
      }
      session.counters.requests++;
      this.begin(request);
    }
  }

  /** Sends a request now. */
  begin(request: LinkRequest, refusals = 0): void {
    const session = this.#session;
    const number = this.#underWay.numberBehind(session.sequence);
    const exchange = new Exchange(request, number, session.caps.maxPayload, session.now, refusals);
    session.send(exchange.header, request.payload);
    if (request.silent) {
      request.settle({ kind: 'ack' });
      return;
    }
    const free = !this.#underWay.first;
    this.#underWay.add(exchange);
    if (free) this.#awaitReply(exchange);
    else exchange.waited = true;
  }

  /** Names the place of a READ's fragment. */
  place(header: Readonly<PacketHeader>, slot: PayloadSlot): void {
    this.#underWay.find(header)?.place(header, slot);
  }

  /** A good packet that is no event. */
  take(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    const session = this.#session;
    if ((header.flags & Flag.ACK_REQ) !== 0) {
      if (session.ready && !session.caps.ack) {
        // We agreed on none: the device has started again with its defaults, and its number fitted by chance.
        this.#owner.restart('sequence');
        return;
      }
      session.acknowledge(header);
    }
    if ((header.flags & Flag.NAK) !== 0) {
      this.#takeNak(header, payload);
      return;
    }
    const exchange = this.#underWay.find(header);
    if (!exchange?.expects(header)) {
      if ((header.flags & Flag.RTX) !== 0) session.counters.duplicates++;
      else session.counters.stale++;
      return;
    }
    if (!this.#passTo(exchange)) return;
    if (!exchange.begun) exchange.request.answeredAt = session.now;
    // A repeated packet says nothing about the line: it was held back by a loss; nor does one behind another reply.
    if (!exchange.begun && !exchange.waited && (header.flags & Flag.RTX) === 0) {
      // Past the deadline it was this process that was slow.
      const arrived = Math.min(session.now, session.wait.deadline ?? session.now);
      session.roundTrip.measured(arrived - exchange.startedAt, session.now);
    }
    const outcome = exchange.take(header, payload);
    if (outcome) this.#finish(exchange, outcome);
    else if (session.ready) {
      const { ack } = session.caps;
      session.wait.arm(session.now, ack ? this.#waitMs(exchange.request, true) : HOST_TIMING.fragmentMs);
    }
  }

  /** The wait for the reply, or for its next fragment, is over. */
  timeout(): void {
    const exchange = this.#underWay.first;
    if (!exchange) return;
    const { caps, counters } = this.#session;
    counters.timeouts++;
    const partial = exchange.partial();
    if (!partial) {
      this.#givenUp = exchange;
      this.#owner.restart('timeout');
    } else if (caps.ack && exchange.numberAfter !== undefined) {
      // The device stands at a fragment that did not get through; only SYNC makes it let go of the rest.
      this.#countMissing(exchange);
      this.#underWay.shift();
      this.#owner.restart('timeout');
      exchange.request.settle(partial);
    } else {
      this.#finish(exchange, partial);
    }
  }

  /** A good packet that is no event, while SYNC is not answered yet. */
  takeLate(header: Readonly<PacketHeader>): void {
    const { now, roundTrip } = this.#session;
    if (!this.#givenUp?.owns(header) || (header.flags & Flag.RTX) !== 0) return;
    roundTrip.measured(now - this.#givenUp.startedAt, now);
    this.#givenUp = undefined;
  }

  /** SYNC is answered: what has not come by now was lost. */
  synchronized(): void {
    if (this.#givenUp) this.#session.roundTrip.lost(this.#session.now);
    this.#givenUp = undefined;
  }

  /** Takes the requests under way off the line, unsettled. */
  interrupt(): Exchange[] {
    return this.#underWay.clear();
  }

  /** Requests that will not be answered any more: repeated after the resynchronisation if they may be. */
  lose(exchanges: readonly Exchange[], reason: LossReason): void {
    const lost: LinkRequest[] = [];
    const again: LinkRequest[] = [];
    for (const { request, internal } of exchanges) {
      if (internal) continue;
      if (reason !== 'reboot' && request.attempts > 1) {
        this.#session.counters.retries++;
        request.attempts--;
        again.push(request);
      } else {
        lost.push(request);
      }
    }
    this.#queue.unshift(...again);
    for (const request of lost) request.settle({ kind: 'lost', reason });
  }

  /**
   * No caller waits for it any more: it is not sent, or not sent again; nothing is written to its destination, and it is
   * not settled. One that has been sent keeps the line until its reply has come.
   */
  cancel(request: LinkRequest): void {
    request.settle = () => undefined;
    request.attempts = 1;
    request.destination = undefined;
    const at = this.#queue.indexOf(request);
    if (at >= 0) this.#queue.splice(at, 1);
    if (this.#underWay.has(request)) this.#owner.detach();
  }

  /** The end: nothing is repeated. */
  loseAll(reason: LossReason): void {
    const exchanges = this.interrupt();
    this.#owner.detach();
    const waiting = this.#queue.splice(0);
    for (const { request } of exchanges) request.settle({ kind: 'lost', reason });
    for (const request of waiting) request.settle({ kind: 'lost', reason });
  }

  /** Whether a request may be sent now: the line is free, or its number is certain although replies are still to come. */
  #maySend(request: LinkRequest): boolean {
    const { caps, now } = this.#session;
    if (!this.underWay) return request.prompt === true || now >= this.#holdUntil;
    return !caps.ack && this.#underWay.admits(request, caps.maxPayload);
  }

  /** Settles those under way before `exchange`, of whose replies nothing comes any more; false: that has ended `exchange`. */
  #passTo(exchange: Exchange): boolean {
    for (let first = this.#underWay.first; first && first !== exchange; first = this.#underWay.first) {
      this.#finish(first, first.passed());
    }
    return this.#underWay.first === exchange;
  }

  /** It is its turn to be answered. */
  #awaitReply(exchange: Exchange): void {
    const session = this.#session;
    const { request, internal } = exchange;
    exchange.startedAt = session.now;
    const least = request.timeoutMs ?? 0;
    session.wait.arm(session.now, internal ? least : Math.max(this.#waitMs(request), least));
  }

  /** How a request ends that is not to be sent: it makes no sense in this session, or does not fit what was agreed on. */
  #refusal({ session: only, payload, destination }: LinkRequest): LinkOutcome | undefined {
    const { number, reason, caps } = this.#session;
    if (only !== undefined && only !== number) return { kind: 'lost', reason: reason ?? 'timeout' };
    const tooLong = (destination?.length ?? 0) > MAX_READ_FRAGMENTS * caps.maxPayload;
    return payload.length > caps.maxPayload || tooLong ? { kind: 'nak', status: Status.OVERFLOW } : undefined;
  }

  /** How long the next packet of the answer may take. */
  #waitMs({ quick }: LinkRequest, begun = false): number {
    const { caps, roundTrip, now } = this.#session;
    const wait = roundTrip.replyMs(now);
    if (!caps.ack || quick) return wait;
    if (begun) return HOST_TIMING.ackFragmentMs;
    return HOST_TIMING.repetitionMs + Math.max(HOST_TIMING.repetitionSlackMs, wait);
  }

  #takeNak(header: Readonly<PacketHeader>, payload: Readonly<PayloadSlot>): void {
    const { counters } = this.#session;
    const { buffer, offset } = payload;
    const status = header.length >= 2 ? buffer[offset]! | (buffer[offset + 1]! << 8) : Status.UNKNOWN;
    const name = statusName(status);
    counters.naks[name] = (counters.naks[name] ?? 0) + 1;
    if (status === Status.SEQUENCE) {
      // The device counts differently, and each NAK moves its count on: only SYNC is sure to end that.
      this.#owner.restart('sequence');
      return;
    }
    const exchange = this.#underWay.find(header);
    if (!exchange?.owns(header)) {
      counters.stale++;
      return;
    }
    if (!this.#passTo(exchange)) return;
    const next = (header.sequence + 1) & 0xff;
    this.#session.sequence = next;
    const alone = this.#underWay.second === undefined;
    if (alone && status === Status.CHECKSUM && exchange.refusals < MAX_CHECKSUM_REPEATS) {
      // Refused unread: it was damaged on the way and has not been carried out.
      counters.retries++;
      this.#underWay.shift();
      this.begin(exchange.request, exchange.refusals + 1);
      return;
    }
    const behind = this.#underWay.second;
    this.#settle(exchange, { kind: 'nak', status });
    // A refusal is one packet: those that were sent ahead with other numbers in mind are refused as well.
    if (behind && behind.header.sequence !== next && this.#underWay.first === behind) {
      this.#owner.restart('sequence');
    }
  }

  #finish(exchange: Exchange, outcome: LinkOutcome): void {
    const next = exchange.numberAfter;
    const behind = this.#underWay.second;
    this.#countMissing(exchange);
    if (next === undefined || (behind && behind.header.sequence !== next)) {
      this.#owner.restart('timeout');
      return;
    }
    this.#session.sequence = next;
    this.#settle(exchange, outcome);
  }

  #countMissing({ fragmentsMissing }: Exchange): void {
    const { counters, roundTrip, now } = this.#session;
    counters.fragmentsLost += fragmentsMissing;
    if (fragmentsMissing > 0) roundTrip.lost(now);
  }

  #settle(exchange: Exchange, outcome: LinkOutcome): void {
    const session = this.#session;
    this.#underWay.shift();
    // From here on the destination is its owner's again.
    this.#owner.detach();
    const next = this.#underWay.first;
    if (next) this.#awaitReply(next);
    else if (session.ready) {
      session.wait.disarm();
      this.#holdUntil = session.caps.ack ? session.now + HOST_TIMING.ackPauseMs : session.now;
    }
    exchange.request.settle(outcome);
    this.startNext();
  }
}
