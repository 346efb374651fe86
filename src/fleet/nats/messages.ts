/** Results, events, figures and status of one camera: published beside its frames, and what became of them. */
import type { NatsConnection } from '@nats-io/transport-node';
import { abortable } from '../../async.js';
import type { BrokerStats } from '../../bridge/index.js';
import { BridgeError } from '../../errors.js';
import { type CameraName, subjectOf } from '../names.js';
import { lostLine } from '../status.js';
import type { NatsBroker } from './broker.js';
import { checkSize } from './frame-message.js';
import type { Kind } from './stream.js';

/** Messages that a server may have left unread before one that comes is left out. */
const MOST_UNREAD = 1_000;

/** A connection, and the messages on it of which it is not known whether the server has read them. */
interface Line {
  readonly connection: NatsConnection;
  readonly ended: AbortSignal;
  unread: number;
  asking: boolean;
}

export class NatsMessages {
  readonly #broker: NatsBroker;
  readonly #name: CameraName;
  readonly #failed: (error: BridgeError) => void;
  #line: Line | undefined;
  #sent = 0;
  #pending = 0;
  #lost = 0;
  /** Of the lost ones, those that readers have not been told of. */
  #untold = 0;

  /** `failed`: a message is larger than the server takes. */
  constructor(broker: NatsBroker, name: CameraName, failed: (error: BridgeError) => void) {
    this.#broker = broker;
    this.#name = name;
    this.#failed = failed;
  }

  get figures(): BrokerStats {
    const { connection, connects } = this.#broker;
    return {
      ...{ connected: connection !== undefined, sent: this.#sent, pending: this.#pending, lost: this.#lost },
      reconnects: Math.max(0, connects - 1),
    };
  }

  /** Publishes what only counts now: nothing while the server is away. */
  now(kind: Kind, text: string): void {
    const { connection } = this.#broker;
    if (connection) this.#publish(connection, kind, text);
  }

  /** Publishes a result or an event; one that does not get to the server is counted. */
  say(kind: Kind, text: string): void {
    const { connection } = this.#broker;
    if (!connection || this.#pending >= MOST_UNREAD) return this.#lose(1);
    const untold = this.#untold;
    if (untold > 0) {
      this.#untold = 0;
      const line = lostLine(this.#name.camera, untold);
      if (!this.#publish(connection, 'event', JSON.stringify(line))) this.#untold += untold;
    }
    if (!this.#publish(connection, kind, text)) return this.#lose(1);
    this.#pending++;
    if (this.#line?.connection !== connection) {
      this.#line = { connection, ended: this.#broker.ended, unread: 0, asking: false };
    }
    this.#line.unread++;
    void this.#ask(this.#line);
  }

  /** Counts a message that `sending` publishes. */
  follow(sending: Promise<void>): void {
    this.#pending++;
    const end = (lost: boolean): void => {
      this.#pending--;
      if (lost) this.#lose(1);
      else this.#sent++;
    };
    void sending.then(
      () => end(false),
      () => end(true),
    );
  }

  subject(kind: string): string {
    return subjectOf(this.#name, kind);
  }

  /** Asks how far the server has read, until it has read everything, or the connection has ended. */
  async #ask(line: Line): Promise<void> {
    if (line.asking) return;
    line.asking = true;
    while (line.unread > 0) {
      const count = line.unread;
      line.unread = 0;
      try {
        await abortable(line.connection.flush(), line.ended);
        this.#sent += count;
      } catch {
        this.#lose(count);
      }
      this.#pending -= count;
    }
    line.asking = false;
  }

  #lose(count: number): void {
    this.#lost += count;
    this.#untold += count;
  }

  /** Whether it is on its way. */
  #publish(connection: NatsConnection, kind: Kind, text: string): boolean {
    try {
      checkSize(Buffer.byteLength(text), connection.info?.max_payload);
      connection.publish(this.subject(kind), text);
      return true;
    } catch (error) {
      // Else the connection has just ended.
      if (error instanceof BridgeError) this.#failed(error);
      return false;
    }
  }
}
