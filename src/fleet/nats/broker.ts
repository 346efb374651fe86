/** A NATS server over a run: there, away, there again. Each connection is a new one, and who follows it begins again with it. */
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node';
import { abortable, deferred, pause, within } from '../../async.js';
import { asBridgeError, BridgeError } from '../../errors.js';
import { connectionError, connectionOptions, connectTo, type NatsAccess } from './access.js';

/** From one attempt to the next; it grows to the longest. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;
/** What was sent gets this long to reach the server when the connection is closed. */
const DRAIN_MS = 2_000;

export interface BrokerFollower {
  /** There is a connection, also later ones. */
  connected?(connection: NatsConnection): void;
  /** It was lost, or could not be had; once, until there is one, or it is for an error of another code. */
  away?(error: BridgeError): void;
}

export class NatsBroker {
  readonly #options: ConnectionOptions;
  readonly #end = new AbortController();
  readonly #followers = new Set<BrokerFollower>();
  #connection: NatsConnection | undefined;
  /** Aborted when the present connection has ended. */
  #life = new AbortController();
  #failure: BridgeError | undefined;
  #connects = 0;
  #change = deferred();
  #running: Promise<void> = Promise.resolve();

  /**
   * Resolves after the first attempt, whatever came of it; it is tried until `close`. OPTION_INVALID: a file of
   * credentials or certificates that cannot be read. Rejects with `signal.reason`; then nothing stays open.
   */
  static async open(access: NatsAccess, name: string, signal?: AbortSignal): Promise<NatsBroker> {
    const broker = new NatsBroker(await abortable(connectionOptions(access, name), signal));
    broker.#running = broker.#run();
    try {
      await abortable(broker.#change.promise, signal);
      return broker;
    } catch (error) {
      await broker.close();
      throw error;
    }
  }

  private constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** undefined: the server is away. */
  get connection(): NatsConnection | undefined {
    return this.#connection;
  }

  /** Aborted when the present connection has ended, with why: what was under way on it will not be answered. */
  get ended(): AbortSignal {
    return this.#life.signal;
  }

  /** Why there is no connection. */
  get failure(): BridgeError | undefined {
    return this.#failure;
  }

  /** How often there was a connection. */
  get connects(): number {
    return this.#connects;
  }

  /** Tells how it stands now, and each change; what comes back ends that. */
  follow(follower: BrokerFollower): () => void {
    this.#followers.add(follower);
    if (this.#connection) follower.connected?.(this.#connection);
    else if (this.#failure) follower.away?.(this.#failure);
    return () => this.#followers.delete(follower);
  }

  /** The connection, as soon as there is one. Rejects with `signal.reason`, or BRIDGE_CLOSED. */
  async ready(signal?: AbortSignal): Promise<NatsConnection> {
    for (;;) {
      signal?.throwIfAborted();
      this.#end.signal.throwIfAborted();
      if (this.#connection) return this.#connection;
      await abortable(abortable(this.#change.promise, signal), this.#end.signal);
    }
  }

  /** What was sent reaches the server first, if it is there, within `drainMs`; 0: nothing was. Idempotent; never rejects. */
  async close(drainMs = DRAIN_MS): Promise<void> {
    const connection = this.#connection;
    this.#followers.clear();
    if (connection && drainMs > 0 && !this.#end.signal.aborted) {
      const late = (): Error => new Error('The server does not answer.');
      await within(connection.flush(), drainMs, late, this.ended).catch(() => undefined);
    }
    const closed = new BridgeError('BRIDGE_CLOSED', 'The connection to NATS is closed.');
    this.#end.abort(closed);
    this.#life.abort(closed);
    await connection?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    for (let wait = FIRST_RETRY_MS; !signal.aborted; wait = Math.min(LONGEST_RETRY_MS, wait * 2)) {
      try {
        const attempt = connectTo(this.#options);
        // One that comes too late is of no use.
        void attempt.then((late) => (signal.aborted ? late.close() : undefined)).catch(() => undefined);
        const connection = await abortable(attempt, signal);
        wait = FIRST_RETRY_MS;
        this.#stands(connection, undefined);
        const cause = await connection.closed();
        if (signal.aborted) return;
        this.#stands(undefined, connectionError(cause ?? 'the connection was lost', this.#options));
      } catch (error) {
        if (signal.aborted) return;
        this.#stands(undefined, asBridgeError(error, 'BROKER_FAILED'));
      }
      await pause(wait, signal).catch(() => undefined);
    }
  }

  #stands(connection: NatsConnection | undefined, failure: BridgeError | undefined): void {
    const before = this.#failure;
    this.#connection = connection;
    this.#failure = failure;
    if (connection) {
      this.#connects++;
      this.#life = new AbortController();
    } else this.#life.abort(failure);
    this.#change.resolve();
    this.#change = deferred();
    for (const follower of [...this.#followers]) {
      if (connection) follower.connected?.(connection);
      else if (failure && failure.code !== before?.code) follower.away?.(failure);
    }
  }
}
