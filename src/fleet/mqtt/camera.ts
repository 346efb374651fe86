/** What an MQTT broker is told of one camera, and the commands that come from there. */
import type { Subscription } from 'rxjs';
import { type Bridge, type BrokerStats, eventLine, resultLine, statsLine } from '../../bridge/index.js';
import type { ControlService } from '../../control/index.js';
import type { BrokerHandlers } from '../broker-handlers.js';
import { type CameraName, topicOf } from '../names.js';
import { lostLine } from '../status.js';
import type { MqttAccess } from './access.js';
import { CommandTopic } from './commands.js';
import { type Connect, Connection, OFFLINE, ONLINE } from './connection.js';
import { discoveryMessages } from './discovery.js';
import type { Message } from './outbox.js';

/** Between two pictures, in milliseconds. */
const PICTURE_MS = 1_000;

export interface MqttCameraOptions {
  readonly connect: Connect;
  readonly access: MqttAccess;
  readonly site: string;
  /** Of Home Assistant's discovery; undefined: none. */
  readonly discovery: string | undefined;
  readonly service: ControlService;
  readonly handlers: BrokerHandlers;
}

export class MqttCamera {
  readonly #bridge: Bridge;
  readonly #options: MqttCameraOptions;
  readonly #name: CameraName;
  readonly #connection: Connection;
  #status: string;
  /** The status that the broker has. */
  #said: string | undefined;
  readonly #subscriptions: Subscription[] = [];
  #failing = false;
  #lostBefore = 0;
  #pictureAt = Number.NEGATIVE_INFINITY;
  readonly #underWay = new Set<string>();
  #closing: Promise<void> | undefined;

  /** Begins to connect and to tell. OPTION_INVALID: the camera's id cannot be part of a topic. */
  constructor(bridge: Bridge, options: MqttCameraOptions) {
    this.#bridge = bridge;
    this.#options = options;
    this.#name = { site: options.site, camera: bridge.cameraId };
    this.#status = bridge.camera.connected ? ONLINE : OFFLINE;
    this.#connection = this.#connect();
    bridge.countBroker('mqtt', () => this.figures);
    this.#subscribe();
  }

  get cameraId(): string {
    return this.#bridge.cameraId;
  }

  get figures(): BrokerStats {
    const { outbox, connected, connects } = this.#connection;
    const { sent, pending, lost } = outbox;
    return { connected, sent, pending, lost, reconnects: Math.max(0, connects - 1) };
  }

  /** Sends what waits, for five seconds at most, then says `offline`. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await this.#connection.close();
    const { pending, lost } = this.figures;
    const unsent = pending + lost - this.#lostBefore;
    if (unsent > 0) this.#options.handlers.unsent(this.cameraId, unsent);
  }

  #connect(): Connection {
    const { connect, service, access, site, handlers } = this.#options;
    const commands = new CommandTopic({
      ...{ service, cameraId: this.cameraId, replyTopic: topicOf(this.#name, 'reply') },
      reply: (message) => this.#connection.outbox.now(message),
    });
    return new Connection(
      {
        ...{ connect, access },
        clientId: `openmv-${site}-${this.cameraId}`,
        statusTopic: topicOf(this.#name, 'status'),
        commandTopic: topicOf(this.#name, 'command'),
        lostMessage: (count) => this.#line('event', lostLine(this.cameraId, count)),
      },
      {
        connected: () => this.#connected(),
        failed: (error) => {
          this.#failing = true;
          handlers.failed(this.cameraId, error);
        },
        refused: (error) => handlers.failed(this.cameraId, error),
        message: (packet) => commands.take(packet),
      },
    );
  }

  #subscribe(): void {
    const bridge = this.#bridge;
    const { outbox } = this.#connection;
    this.#subscriptions.push(
      bridge.results$.subscribe((result) => outbox.push(this.#line('result', resultLine(result)))),
      bridge.events$.subscribe((event) => {
        outbox.push(this.#line('event', eventLine(event)));
        if (event.type !== 'connected' && event.type !== 'disconnected') return;
        this.#status = event.type === 'connected' ? ONLINE : OFFLINE;
        this.#sayStatus();
      }),
      bridge.stats$.subscribe((stats) => {
        // Counters: the next ones say it all.
        this.#live('stats', () => this.#line('stats', statsLine(stats)));
        if (this.#connection.connected && this.#said !== this.#status) this.#sayStatus();
      }),
    );
    if (this.#options.discovery !== undefined) {
      this.#subscriptions.push(
        // What ends a bridge is an event as well.
        bridge.frames$.subscribe({ next: ({ jpeg }) => this.#picture(jpeg), error: () => undefined }),
      );
    }
  }

  #connected(): void {
    const { outbox } = this.#connection;
    const { discovery, site, handlers } = this.#options;
    // At a lost connection it was the last will.
    this.#said = undefined;
    this.#sayStatus();
    if (discovery !== undefined) {
      const { version } = this.#bridge.camera.info();
      const camera = {
        ...{ cameraId: this.cameraId, site, topic: (kind: string) => topicOf(this.#name, kind) },
        firmwareVersion: version.firmware.join('.'),
        hasAlgorithm: this.#bridge.options.runner !== undefined,
      };
      for (const message of discoveryMessages(camera, discovery)) outbox.now(message);
    }
    if (!this.#failing) return;
    this.#failing = false;
    const { lost } = outbox;
    handlers.recovered(this.cameraId, lost - this.#lostBefore);
    this.#lostBefore = lost;
  }

  #sayStatus(): void {
    const status = this.#status;
    this.#connection.status(status, (taken) => {
      if (taken) this.#said = status;
    });
  }

  #picture(jpeg: Uint8Array): void {
    const now = performance.now();
    if (now - this.#pictureAt < PICTURE_MS) return;
    this.#pictureAt = now;
    this.#live('picture', () => ({ topic: topicOf(this.#name, 'picture'), payload: jpeg, retain: true }));
  }

  /** Sends what only counts now, unless the broker has not answered to the one before. */
  #live(kind: string, message: () => Message): void {
    if (!this.#connection.connected || this.#underWay.has(kind)) return;
    this.#underWay.add(kind);
    this.#connection.outbox.now(message(), () => this.#underWay.delete(kind));
  }

  #line(kind: 'result' | 'stats' | 'event', line: object): Message {
    return { topic: topicOf(this.#name, kind), payload: JSON.stringify(line) };
  }
}
