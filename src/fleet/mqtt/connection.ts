/** One client of the broker, for one camera: its last will is the camera's. Connects, and connects again, for ever. */
import type { IClientOptions, IPublishPacket, MqttClient } from 'mqtt';
import { within } from '../../async.js';
import type { BridgeError } from '../../errors.js';
import type { MqttAccess } from './access.js';
import { brokerError, WRONG_VERSION } from './failures.js';
import { type Message, Outbox } from './outbox.js';

/** Of the package. */
export type Connect = (options: IClientOptions) => MqttClient;

export interface ConnectionOptions {
  readonly connect: Connect;
  readonly access: MqttAccess;
  readonly clientId: string;
  /** Where `online` and `offline` are; the last will is `offline`. */
  readonly statusTopic: string;
  readonly commandTopic: string;
  lostMessage(count: number): Message;
}

export interface ConnectionHandlers {
  /** There is a connection, and commands are subscribed to. */
  connected(): void;
  /** There is no connection; once for each time and kind of reason. */
  failed(error: BridgeError): void;
  /** The broker does not allow something; once. */
  refused(error: BridgeError): void;
  message(packet: IPublishPacket): void;
}

/** Between two attempts: at first, and at most. */
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 15_000;
/** A connection that held this long starts with the shortest wait again. */
const STEADY_MS = 30_000;
/** A broker that says nothing for one and a half times as long is gone. */
const KEEPALIVE_S = 15;
const CONNECT_MS = 15_000;
/** Messages that the broker may leave unanswered, unless it wants fewer. */
const WINDOW = 16;
/** What the broker may send: a script of the largest size, and room for what goes with it. */
const MOST_BYTES = 640 * 1_024;
/** How long what waits may take at the end. */
const FLUSH_MS = 5_000;

export const ONLINE = 'online';
export const OFFLINE = 'offline';

export class Connection {
  readonly outbox: Outbox;
  readonly #options: ConnectionOptions;
  readonly #handlers: ConnectionHandlers;
  readonly #client: MqttClient;
  /** Why the attempt under way has failed, as far as it is known. */
  #cause: unknown;
  #told: string | undefined;
  #toldRefusal = false;
  /** The broker knows no MQTT 5: the next attempt is with 3.1.1. */
  #older = false;
  #since = 0;
  #open = false;
  #connects = 0;

  /** Begins to connect; how that goes is told. */
  constructor(options: ConnectionOptions, handlers: ConnectionHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.outbox = new Outbox((message, done) => this.#publish(message, done), options.lostMessage);
    this.#client = options.connect({
      ...options.access.options,
      clientId: options.clientId,
      protocolVersion: 5,
      clean: true,
      keepalive: KEEPALIVE_S,
      connectTimeout: CONNECT_MS,
      reconnectPeriod: RETRY_MS,
      reconnectOnConnackError: true,
      resubscribe: false,
      queueQoSZero: false,
      properties: { maximumPacketSize: MOST_BYTES },
      will: { topic: options.statusTopic, payload: Buffer.from(OFFLINE), qos: 1, retain: true },
    });
    this.#client.on('connect', () => this.#connected());
    this.#client.on('error', (cause) => this.#failed(cause));
    this.#client.on('disconnect', (packet) => {
      this.#cause = new Error(reasonOf(packet.reasonCode));
    });
    this.#client.on('close', () => this.#closed());
    this.#client.on('message', (_topic, _payload, packet) => handlers.message(packet));
  }

  get connected(): boolean {
    return this.#open;
  }

  /** How often there was a connection. */
  get connects(): number {
    return this.#connects;
  }

  /** Sends what waits, for at most five seconds, then `offline`, and ends. Without a connection the last will has said so. Never rejects. */
  async close(): Promise<void> {
    const late = (): Error => new Error('late');
    if (this.#open) {
      const gone = (async () => {
        await this.outbox.empty();
        await new Promise((done) => this.status(OFFLINE, done));
        await this.#client.endAsync();
      })();
      await within(gone, FLUSH_MS, late).catch(() => undefined);
    }
    // Without a farewell: the broker publishes the last will.
    this.#client.end(true);
  }

  /** Publishes the status; lost without a connection, for it is published with each one. */
  status(text: string, done?: (taken: boolean) => void): void {
    this.outbox.now({ topic: this.#options.statusTopic, payload: text, retain: true }, done);
  }

  #connected(): void {
    const { serverProperties } = this.#client as { serverProperties?: { receiveMaximum?: number } };
    const window = Math.min(WINDOW, serverProperties?.receiveMaximum ?? WINDOW);
    // Commands first: who sees `online` may send some. A retained one is not for now.
    this.#client.subscribe(this.#options.commandTopic, { qos: 1, rh: 2 }, (error) => {
      // It ended before the answer came; the next one subscribes again.
      if (!this.#client.connected || error?.message === 'Connection closed') return;
      this.#since = performance.now();
      this.#cause = undefined;
      this.#told = undefined;
      this.#open = true;
      this.#connects++;
      this.outbox.open(window);
      this.#handlers.connected();
      if (error) this.#refused(`commands (${this.#options.commandTopic}) cannot be subscribed to`);
    });
  }

  #failed(cause: unknown): void {
    this.#cause ??= cause;
    const { code } = cause as { code?: unknown };
    const { options } = this.#client;
    if (WRONG_VERSION.has(code) && options.protocolVersion === 5) {
      options.protocolVersion = 4;
      this.#older = true;
    }
  }

  #closed(): void {
    const { options } = this.#client;
    const was = this.#open;
    this.outbox.shut();
    this.#open = false;
    const steady = was && performance.now() - this.#since > STEADY_MS;
    options.reconnectPeriod = steady
      ? RETRY_MS
      : Math.min((options.reconnectPeriod ?? RETRY_MS) * 2, RETRY_MOST_MS);
    const cause = this.#cause;
    this.#cause = undefined;
    const { disconnecting } = this.#client;
    if (disconnecting || this.#older) {
      this.#older = false;
      return;
    }
    const error = brokerError(this.#options.access.shown, cause, was ? 'connected' : 'opening');
    if (this.#told === error.code) return;
    this.#told = error.code;
    this.#handlers.failed(error);
  }

  #publish(
    { topic, payload, retain = false, correlationData }: Message,
    done: (taken: boolean) => void,
  ): void {
    const most = this.#client.serverProperties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
    const size = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
    if (size + topic.length + 64 > most) {
      this.#refused(`a message of ${size} bytes on ${topic} is larger than the ${most} that it takes`);
      // Not at once: who sends the next one from there would do so for ever.
      setImmediate(done, false);
      return;
    }
    const bytes =
      typeof payload === 'string'
        ? payload
        : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const properties =
      correlationData === undefined ? {} : { properties: { correlationData: Buffer.from(correlationData) } };
    this.#client.publish(topic, bytes, { qos: 1, retain, ...properties }, (error) => {
      if (error && this.#open) this.#refused(`${error.message} (${topic})`);
      done(!error);
    });
  }

  /** What the broker does not allow, said once. */
  #refused(why: string): void {
    if (this.#toldRefusal) return;
    this.#toldRefusal = true;
    this.#handlers.refused(brokerError(this.#options.access.shown, new Error(why), 'connected'));
  }
}

/** DISCONNECT of MQTT 5. */
const TAKEN_OVER = 142;
const SHUTTING_DOWN = 139;

function reasonOf(code: number | undefined): string {
  if (code === TAKEN_OVER) {
    return 'another client has this site and camera id, and took over: each bridge with a camera of that id needs a site of its own';
  }
  return code === SHUTTING_DOWN ? 'it shuts down' : `it ended the connection (reason ${code ?? 'unknown'})`;
}
