import type { Capabilities } from '../protocol/index.js';
import type { LinkState, LossReason } from './link-types.js';
import { RoundTrip } from './round-trip.js';
import { Wait } from './wait.js';

/** Where the host's link stands: what its parts (`HostLink`, `HostHandshake`, `HostRequests`) know in common. */
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
  /** The time of the call at hand. */
  now = 0;
  readonly wait = new Wait();
  readonly roundTrip = new RoundTrip();
  readonly counters = {
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

  constructor(wanted: Capabilities) {
    this.caps = wanted;
  }

  get open(): boolean {
    return this.state !== 'closed' && this.state !== 'failed';
  }

  get ready(): boolean {
    return this.state === 'ready';
  }

  /** Whether packets have CRCs. Until the capabilities are agreed on the device has its defaults, CRCs among them. */
  get crc(): boolean {
    return !this.ready || this.caps.crc;
  }
}
