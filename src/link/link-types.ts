/** What the host machine takes and gives: requests, their outcomes, events, statistics. */
import type { BridgeError } from '../errors.js';
import type { Capabilities } from '../protocol/index.js';
import type { ByteRange } from './read-reply.js';

/** How a request ended. */
export type LinkOutcome =
  /** A data reply; the payload is the receiver's own copy. For a READ with a destination it is empty. */
  | { readonly kind: 'reply'; readonly payload: Uint8Array }
  /** An ACK without data. */
  | { readonly kind: 'ack' }
  /**
   * A READ with a destination: what of it is not valid. Empty: all is there. `inSmallPieces`: it came in
   * pieces of `BACKEND_PIECE` bytes, which count for `MAX_READ_FRAGMENTS`.
   */
  | { readonly kind: 'read'; readonly missing: readonly ByteRange[]; readonly inSmallPieces?: true }
  /** The device refused. */
  | { readonly kind: 'nak'; readonly status: number }
  /** It is not known whether the device carried it out. */
  | { readonly kind: 'lost'; readonly reason: LossReason };

/**
 * `timeout`: no answer came in time; `sequence`: the device counted differently; `reboot`: its interpreter was
 * restarted; `closed`: the line ended or the link was closed.
 */
export type LossReason = 'timeout' | 'sequence' | 'reboot' | 'closed';

/** The machine keeps the object and changes it: `attempts` counts down, `cancel` takes `destination` and `settle` away. */
export interface LinkRequest {
  readonly opcode: number;
  readonly channel: number;
  /** At most the negotiated payload size. */
  readonly payload: Uint8Array;
  /** READ only: where the bytes go; its length is the request's length. */
  destination?: Uint8Array | undefined;
  /**
   * How often it may be sent in all when it is not known whether the device carried it out. 1 unless carrying
   * it out twice does no harm. A request that the device refused unread (NAK CHECKSUM) is repeated in any case.
   */
  attempts: number;
  /**
   * `HostLink.session` to which it belongs: it is not sent, but settled as lost, once the link has synchronised
   * again. For requests that make sense only after the answer to an earlier one.
   */
  readonly session?: number;
  /**
   * Acks on: a lost packet is found out as with acks off, and repaired by SYNC, which is quicker than the device's own
   * repetition. For what can be asked again.
   */
  readonly quick?: boolean;
  /**
   * Acks on: sent without the pause behind the ACK before it. For what does not poll: the requests that fetch a frame
   * while the camera's latch is closed.
   */
  readonly prompt?: boolean;
  /**
   * Acks off: the number of packets in its reply is certain, so that another `ahead` request may be sent before it is
   * answered. Only for READs from a `readp` backend. When one before it ends in another number of packets, the link
   * synchronises and this one is lost.
   */
  readonly ahead?: boolean;
  /** The device does not answer it (SYS_RESET, SYS_BOOT). */
  readonly silent?: boolean;
  /** Longer wait for the answer than the measured one, in milliseconds. */
  readonly timeoutMs?: number;
  /** Set by the machine: when the first packet of the reply came, milliseconds of its clock. */
  answeredAt?: number;
  /** Called once, from within a call into the machine. */
  settle(outcome: LinkOutcome): void;
}

export type LinkState = 'closed' | 'syncing' | 'negotiating' | 'ready' | 'failed';

export interface HostLinkOptions {
  /** What to ask for; the device's own limit and floor apply to `maxPayload`. */
  readonly wanted: Capabilities;
  /** Largest payload to believe in a header before the limit has been negotiated. */
  readonly maxPayload?: number;
}

/** What the machine reports; called from within calls into the machine. */
export interface HostLinkSink {
  /** Bytes for the device, valid only during the call. */
  transmit(bytes: Uint8Array): void;
  /** An event of a channel, or of the system on channel 0. NOTIFY events have the number 0xFFFF. */
  event(channel: number, event: number): void;
  /**
   * Synchronized: the first time, or again after `reason`. Locks are gone, and what was known of channels may
   * be out of date.
   */
  ready(caps: Capabilities, reason: LossReason | undefined): void;
  /** Given up: the device does not answer SYNC. Requests are lost from here on, until `connect` is called again. */
  failed(error: BridgeError): void;
}

/** Counters since the link was made. */
export interface LinkStats {
  packetsSent: number;
  /** Good packets. */
  packetsReceived: number;
  bytesSent: number;
  bytesReceived: number;
  requests: number;
  /** Requests sent again, because the device refused them unread or after a resynchronisation. */
  retries: number;
  /** Acknowledgements sent. */
  acksSent: number;
  /** Packets that came again (RTX) and were acknowledged, but not used twice. */
  duplicates: number;
  /** Good packets that belong to no request in progress. */
  stale: number;
  /** NAKs received, by status name. */
  naks: Record<string, number>;
  events: number;
  /** Waits for a reply that ran out. */
  timeouts: number;
  /** SYNCs sent after the first connection was made. */
  resyncs: number;
  /** Fragments of READ replies that did not arrive, or not whole. */
  fragmentsLost: number;
  /** Headers with a bad CRC, payloads with a bad CRC, bytes that were part of no good packet. */
  headerErrors: number;
  payloadErrors: number;
  discardedBytes: number;
  /** Smoothed round trip in milliseconds; 0 before the first measurement. */
  roundTripMs: number;
}
