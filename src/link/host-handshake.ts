/**
 * How the host comes to a ready link: SYNC until it is answered, then the capabilities. README.md has the table of
 * transitions; this is `syncing` and `negotiating`.
 */
import { asBridgeError, BridgeError } from '../errors.js';
import {
  type Capabilities,
  DEVICE_MIN_PAYLOAD,
  decodeCaps,
  encodeCaps,
  Flag,
  HOST_MIN_PAYLOAD,
  Opcode,
  type PacketHeader,
  statusName,
} from '../protocol/index.js';
import type { HostSession } from './host-session.js';
import type { LinkOutcome, LinkRequest } from './link-types.js';
import { HOST_TIMING } from './timing.js';

/** What the handshake asks of the link. */
export interface HandshakeOwner {
  /** Sends a request of the link's own. */
  request(request: LinkRequest): void;
  agreed(caps: Capabilities): void;
  failed(error: BridgeError): void;
}

export class HostHandshake {
  readonly #session: HostSession;
  readonly #wanted: Capabilities;
  readonly #owner: HandshakeOwner;
  #deviceLimit: number | undefined;
  /** SYNCs in a row that were not answered, or whose capabilities were not. */
  #unanswered = 0;
  #started = 0;
  /** When the first SYNC that has not been answered was sent. */
  #since = 0;
  /** How long to wait for what was sent last. */
  #waitMs = 0;

  constructor(session: HostSession, wanted: Capabilities, owner: HandshakeOwner) {
    this.#session = session;
    this.#wanted = wanted;
    this.#owner = owner;
  }

  begin(): void {
    this.#unanswered = 0;
    this.#started = this.#session.now;
    this.#since = this.#session.now;
    this.#sendSync();
  }

  /** A good packet that is no event, while SYNC's ACK is waited for. */
  takeAnswer(header: Readonly<PacketHeader>): void {
    const session = this.#session;
    const { now } = session;
    if (header.opcode !== Opcode.PROTO_SYNC || (header.flags & Flag.ACK) === 0) {
      // Old data still on its way, as after a long reply with acks off: the device will answer behind it.
      session.counters.stale++;
      if (now - this.#started >= HOST_TIMING.syncTotalMs) return;
      // A NAK tells that our SYNC was taken for the rest of a request that was cut short: it is free now.
      if ((header.flags & Flag.NAK) !== 0) this.#sendSync();
      else session.wait.arm(now, this.#waitMs);
      return;
    }
    session.sequence = 0;
    session.state = 'negotiating';
    this.#unanswered = 0;
    // What SYNC's answer took at most is a measure for what follows.
    this.#waitMs = Math.min(HOST_TIMING.maxSyncMs, Math.max(this.#firstMs, 2 * (now - this.#since)));
    if (this.#deviceLimit === undefined) this.#getCaps();
    else this.#setCaps(this.#deviceLimit);
  }

  /** What was sent last is not answered, or not to be used: SYNC again, or the end. */
  retry(): void {
    const session = this.#session;
    this.#unanswered++;
    const spentMs = session.now - this.#started;
    if (this.#unanswered >= HOST_TIMING.syncAttempts || spentMs > HOST_TIMING.syncTotalMs) {
      this.#owner.failed(silent(this.#unanswered, spentMs));
      return;
    }
    if (session.state === 'negotiating') this.#since = session.now;
    session.state = 'syncing';
    this.#sendSync();
  }

  #sendSync(): void {
    const session = this.#session;
    session.sequence = 0;
    session.sendSync();
    this.#waitMs = Math.min(HOST_TIMING.maxSyncMs, this.#firstMs * 2 ** this.#unanswered);
    session.wait.arm(session.now, this.#waitMs);
  }

  get #firstMs(): number {
    return Math.min(HOST_TIMING.syncMs, this.#session.roundTrip.shortMs);
  }

  #getCaps(): void {
    this.#request(Opcode.PROTO_GET_CAPS, new Uint8Array(0), (outcome) => {
      if (outcome.kind !== 'reply') return;
      try {
        this.#deviceLimit = decodeCaps(outcome.payload).maxPayload;
      } catch (error) {
        this.#owner.failed(asBridgeError(error));
        return;
      }
      this.#setCaps(this.#deviceLimit);
    });
  }

  /** Sets what is wanted, as far as the device's limit allows. */
  #setCaps(deviceLimit: number): void {
    const asked = Math.min(deviceLimit, Math.max(HOST_MIN_PAYLOAD, this.#wanted.maxPayload));
    const caps = { ...this.#wanted, maxPayload: Math.max(DEVICE_MIN_PAYLOAD, asked) };
    this.#request(Opcode.PROTO_SET_CAPS, encodeCaps(caps), (outcome) => {
      if (outcome.kind === 'ack') this.#owner.agreed(caps);
      else if (outcome.kind === 'nak') this.#owner.failed(refused(caps, outcome.status));
    });
  }

  /** No attempts: only the link itself waits for it. A lost answer is found by the deadline. */
  #request(opcode: number, payload: Uint8Array, settle: (outcome: LinkOutcome) => void): void {
    this.#owner.request({ opcode, channel: 0, payload, attempts: 0, timeoutMs: this.#waitMs, settle });
  }
}

function silent(unanswered: number, spentMs: number): BridgeError {
  return new BridgeError(
    'CAMERA_SILENT',
    'The camera did not answer the attempts to synchronise. Unplug it and plug it in again; if that does not help, update its firmware to 5.x with the OpenMV IDE.',
    { context: { unanswered, spentMs: Math.round(spentMs) } },
  );
}

function refused({ maxPayload }: Capabilities, status: number): BridgeError {
  return new BridgeError(
    'CAMERA_PROTOCOL',
    `The camera refused the link settings (max payload ${maxPayload}, status ${statusName(status)}). Try the default payload size, and update its firmware to 5.x.`,
    { context: { maxPayload, status } },
  );
}
