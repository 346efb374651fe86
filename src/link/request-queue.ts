/** Requests that wait for their turn, and which of them the device may still be asked. */
import { Status } from '../protocol/index.js';
import type { HostSession } from './host-session.js';
import type { LinkOutcome, LinkRequest } from './link-types.js';
import { MAX_READ_FRAGMENTS } from './read-reply.js';

/** Requests that may wait; more is a caller that does not wait for its replies. */
const MAX_QUEUED = 1_024;

export class RequestQueue {
  readonly #waiting: LinkRequest[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  /** false: too many wait already. */
  add(request: LinkRequest): boolean {
    if (this.#waiting.length >= MAX_QUEUED) return false;
    this.#waiting.push(request);
    return true;
  }

  /** One that is sent again goes before all others. */
  addFirst(request: LinkRequest): void {
    this.#waiting.unshift(request);
  }

  /** Takes one out, if it waits. */
  remove(request: LinkRequest): void {
    const at = this.#waiting.indexOf(request);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  next(): LinkRequest | undefined {
    return this.#waiting.shift();
  }

  /** Takes out all of them, unsettled. */
  clear(): LinkRequest[] {
    return this.#waiting.splice(0);
  }
}

/**
 * How a request ends that is not to be sent: it makes no sense in this session, or does not fit what was agreed on.
 * undefined: it may be sent.
 */
export function refusal(request: LinkRequest, session: HostSession): LinkOutcome | undefined {
  if (request.session !== undefined && request.session !== session.number) {
    return { kind: 'lost', reason: session.reason ?? 'timeout' };
  }
  const { payload, destination } = request;
  const { maxPayload } = session.caps;
  const fits = payload.length <= maxPayload && (destination?.length ?? 0) <= MAX_READ_FRAGMENTS * maxPayload;
  return fits ? undefined : { kind: 'nak', status: Status.OVERFLOW };
}
