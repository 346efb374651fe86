/**
 * How the host comes to a ready link: SYNC until it is answered, then the capabilities. README.md has the table of
 * transitions; this is `syncing` and `negotiating`.
 */
import type { BridgeError } from '../errors.js';
import type { Capabilities, PacketHeader } from '../protocol/index.js';
import { Flag, Opcode } from '../protocol/index.js';
import type { HostSession } from './host-session.js';
import type { LinkRequest } from './link-types.js';
import { getCapsRequest, setCapsRequest } from './negotiation.js';
import type { PacketSender } from './packet-sender.js';
import { SyncAttempts } from './sync-attempts.js';

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
  readonly #sender: PacketSender;
  readonly #owner: HandshakeOwner;
  readonly #attempts: SyncAttempts;
  #deviceLimit: number | undefined;

  constructor(session: HostSession, wanted: Capabilities, sender: PacketSender, owner: HandshakeOwner) {
    this.#session = session;
    this.#wanted = wanted;
    this.#sender = sender;
    this.#owner = owner;
    this.#attempts = new SyncAttempts(session.roundTrip);
  }

  begin(): void {
    this.#attempts.begin(this.#session.now);
    this.#sendSync();
  }

  /** A good packet that is no event, while SYNC's ACK is waited for. */
  takeAnswer(header: Readonly<PacketHeader>): void {
    const session = this.#session;
    if (header.opcode !== Opcode.PROTO_SYNC || (header.flags & Flag.ACK) === 0) {
      // Old data still on its way, as after a long reply with acks off: the device will answer behind it.
      session.counters.stale++;
      if (!this.#attempts.patient(session.now)) return;
      // A NAK tells that our SYNC was taken for the rest of a request that was cut short: it is free now.
      if ((header.flags & Flag.NAK) !== 0) this.#sendSync();
      else session.wait.arm(session.now, this.#attempts.waitMs);
      return;
    }
    session.sequence = 0;
    this.#attempts.answered(session.now);
    session.state = 'negotiating';
    this.#negotiate();
  }

  /** What was sent last is not answered, or not to be used: SYNC again, or the end. */
  retry(): void {
    const session = this.#session;
    const error = this.#attempts.failed(session.now);
    if (error) {
      this.#owner.failed(error);
      return;
    }
    if (session.state === 'negotiating') this.#attempts.restart(session.now);
    session.state = 'syncing';
    this.#sendSync();
  }

  #sendSync(): void {
    const session = this.#session;
    session.sequence = 0;
    this.#sender.sync();
    this.#attempts.sent();
    session.wait.arm(session.now, this.#attempts.waitMs);
  }

  /** Asks for the device's limit, unless it is known, and then for what is wanted. */
  #negotiate(): void {
    const { waitMs } = this.#attempts;
    const failed = (error: BridgeError): void => this.#owner.failed(error);
    if (this.#deviceLimit === undefined) {
      const known = (limit: number): void => {
        this.#deviceLimit = limit;
        this.#negotiate();
      };
      this.#owner.request(getCapsRequest(waitMs, known, failed));
    } else {
      const agreed = (caps: Capabilities): void => this.#owner.agreed(caps);
      this.#owner.request(setCapsRequest(this.#wanted, this.#deviceLimit, waitMs, agreed, failed));
    }
  }
}
