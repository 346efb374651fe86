/** What one bridge publishes at NATS: its frames as a sink, its results, events, figures and status beside them. */
import type { MsgHdrs, NatsConnection, Subscription } from '@nats-io/transport-node';
import { abortable, Mutex, pause, within } from '../../async.js';
import {
  type AttachedSink,
  type Bridge,
  eventLine,
  resultLine,
  type Sink,
  statsLine,
} from '../../bridge/index.js';
import { asBridgeError, BridgeError } from '../../errors.js';
import type { Frame } from '../../frames/index.js';
import { checkedName } from '../names.js';
import { cameraStatus, STATUS_MS } from '../status.js';
import type { NatsBroker } from './broker.js';
import { checkSize, frameHeaders } from './frame-message.js';
import { NatsMessages } from './messages.js';
import type { NatsStream } from './stream.js';

/** Frames under way to a server before one that comes is skipped. */
const MAX_UNDER_WAY = 8;
/** What is under way at the end gets this long to be acknowledged. */
const END_MS = 5_000;
/** From one attempt to the next, of a message that must arrive. */
const RETRY_MS = 200;

export interface PublisherSettings {
  readonly site: string;
  readonly every: boolean;
  /** Of the broker's present connection; undefined: nothing is kept. */
  readonly stream: ((connection: NatsConnection) => Promise<NatsStream>) | undefined;
}

type Handlers = Parameters<AttachedSink>[0];

export class NatsPublisher implements Sink {
  skipped = 0;
  readonly #bridge: Bridge;
  readonly #broker: NatsBroker;
  readonly #settings: PublisherSettings;
  readonly #handlers: Handlers;
  readonly #messages: NatsMessages;
  readonly #underWay = new Set<Promise<void>>();
  /** Aborted when frames, and when results, are not waited for any more. */
  readonly #frames = new AbortController();
  readonly #end = new AbortController();
  readonly #results = new Mutex();
  readonly #statusTimer: NodeJS.Timeout;
  readonly #unfollow: () => void;
  #asked: Subscription | undefined;
  /** Settles when nothing is published any more. */
  readonly done: Promise<void>;

  /** Adds NATS to the places of a bridge's frames. OPTION_INVALID: a camera whose id cannot be part of a subject. */
  static async attach(
    bridge: Bridge,
    broker: NatsBroker,
    settings: PublisherSettings,
  ): Promise<NatsPublisher> {
    checkedName(bridge.cameraId, 'camera');
    let made: NatsPublisher | undefined;
    await bridge.attach('nats', (handlers) => {
      made = new NatsPublisher(bridge, broker, settings, handlers);
      return made;
    });
    return made!;
  }

  private constructor(bridge: Bridge, broker: NatsBroker, settings: PublisherSettings, handlers: Handlers) {
    this.#bridge = bridge;
    this.#broker = broker;
    this.#settings = settings;
    this.#handlers = handlers;
    const name = { site: settings.site, camera: bridge.cameraId };
    this.#messages = new NatsMessages(broker, name, (error) => handlers.failed(error));
    bridge.countBroker('nats', () => this.#messages.figures);
    this.#statusTimer = setInterval(() => this.#tell('online'), STATUS_MS);
    this.#statusTimer.unref();
    this.#unfollow = broker.follow({
      connected: (connection) => this.#connected(connection),
      away: (error) => handlers.failed(error),
    });
    bridge.results$.subscribe((result) => {
      const { runId, cameraId, requestId } = result;
      this.#result(JSON.stringify(resultLine(result)), `${runId}.${cameraId}.${requestId}`);
    });
    bridge.events$.subscribe((event) => {
      this.#messages.say('event', JSON.stringify(eventLine(event)));
      if (event.type === 'connected' || event.type === 'disconnected') this.#tell('online');
    });
    this.done = new Promise((resolve) => {
      bridge.stats$.subscribe({
        next: (stats) => this.#messages.now('stats', JSON.stringify(statsLine(stats))),
        complete: () => void this.#finish().then(resolve),
      });
    });
  }

  /** With `every` there is room again when the stream has the frame. */
  write(frame: Frame): false | Promise<void> {
    if (this.#settings.every) return this.#counted(this.#sendUntilKept(frame));
    const { connection } = this.#broker;
    if (!connection) throw this.#broker.failure ?? new BridgeError('BROKER_FAILED', 'NATS is away.');
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      this.skipped++;
      return false;
    }
    this.#handlers.follow(this.#counted(this.#send(connection, frame)));
    return false;
  }

  /** What is under way may arrive first. */
  async close(signal?: AbortSignal): Promise<void> {
    const late = (): Error => new Error('The server is too slow.');
    await within(Promise.allSettled(this.#underWay), END_MS, late, signal).catch(() => undefined);
    this.#frames.abort(new BridgeError('BRIDGE_CLOSED', 'The run ended before NATS had taken the frame.'));
  }

  #counted(sending: Promise<void>): Promise<void> {
    const pending = sending.finally(() => this.#underWay.delete(pending));
    this.#underWay.add(pending);
    return pending;
  }

  async #send(connection: NatsConnection, frame: Frame): Promise<void> {
    const { ended } = this.#broker;
    const made = this.#message(connection, frame);
    if (this.#settings.stream) {
      const stream = await abortable(this.#settings.stream(connection), ended);
      await abortable(stream.publish(made.subject, frame.jpeg, made.id, made.headers), ended);
      return;
    }
    connection.publish(made.subject, frame.jpeg, { headers: made.headers });
    // The answer says that the server has read that far.
    await abortable(connection.flush(), ended);
  }

  async #sendUntilKept(frame: Frame): Promise<void> {
    const { signal } = this.#frames;
    const made = this.#message(await this.#broker.ready(signal), frame);
    await this.#until(signal, made.subject, frame.jpeg, made.id, made.headers);
  }

  /**
   * Publishes until the stream has it. Every further attempt asks first whether it has: the server knows a message again
   * only for a while, and may have kept what it had no time to acknowledge.
   */
  async #until(
    signal: AbortSignal,
    subject: string,
    data: Uint8Array,
    id: string,
    headers?: MsgHdrs,
  ): Promise<void> {
    for (let again = false; ; again = true) {
      const connection = await this.#broker.ready(signal);
      const { ended } = this.#broker;
      checkSize(data.length, connection.info?.max_payload);
      // Not AbortSignal.any: a signal that lives long keeps something of each that is made of it.
      const open = <T>(work: Promise<T>): Promise<T> => abortable(abortable(work, signal), ended);
      try {
        const stream = await open(this.#settings.stream!(connection));
        if (again && (await open(stream.has(subject, id)))) return;
        await open(stream.publish(subject, data, id, headers));
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (connection === this.#broker.connection) this.#handlers.failed(asBridgeError(error));
        await pause(RETRY_MS, signal);
      }
    }
  }

  /** The frame as a message; BROKER_FAILED: the server takes none of that size. */
  #message(connection: NatsConnection, frame: Frame): { subject: string; id: string; headers: MsgHdrs } {
    checkSize(frame.bytes, connection.info?.max_payload);
    const headers = frameHeaders(frame);
    const { runId, cameraId, sequence } = frame;
    return { subject: this.#messages.subject('frame'), id: `${runId}.${cameraId}.${sequence}`, headers };
  }

  /** Publishes a result, after those before it; with `every` until the stream has it. */
  #result(text: string, id: string): void {
    if (!this.#settings.every) return this.#messages.say('result', text);
    const data = new TextEncoder().encode(text);
    const { signal } = this.#end;
    const sending = this.#counted(
      this.#results.run(() => this.#until(signal, this.#messages.subject('result'), data, id), signal),
    );
    this.#messages.follow(sending);
    // The sensor waits for results as well.
    this.#bridge.hold(sending);
    sending.catch((error) => signal.aborted || this.#handlers.failed(asBridgeError(error)));
  }

  #status(status: 'online' | 'offline'): string {
    return JSON.stringify(cameraStatus(this.#bridge, this.#settings.site, status));
  }

  #tell(status: 'online' | 'offline'): void {
    this.#messages.now('status', this.#status(status));
  }

  /** Says how it is, and answers those who ask; the server itself tells them when there is no bridge any more. */
  #connected(connection: NatsConnection): void {
    this.#asked = connection.subscribe(`${this.#messages.subject('status')}.get`, {
      callback: (_error, message) => {
        message?.respond(this.#status('online'));
      },
    });
    this.#tell('online');
  }

  async #finish(): Promise<void> {
    clearInterval(this.#statusTimer);
    this.#unfollow();
    const late = (): Error => new Error('The server is too slow.');
    // Results of the calls that ended last.
    await within(Promise.allSettled(this.#underWay), END_MS, late).catch(() => undefined);
    this.#end.abort();
    this.#asked?.unsubscribe();
    this.#tell('offline');
  }
}
