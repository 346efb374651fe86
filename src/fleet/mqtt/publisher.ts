/** All cameras of a run at an MQTT broker. */
import type { Bridge, BrokerStats } from '../../bridge/index.js';
import { ControlService } from '../../control/index.js';
import { natsClientShape } from '../../options/index.js';
import type { BrokerHandlers } from '../broker-handlers.js';
import { type MqttAccess, type MqttAccessOptions, mqttAccess } from './access.js';
import { MqttCamera } from './camera.js';
import type { Connect } from './connection.js';
import { DISCOVERY_PREFIX } from './discovery.js';

const DEFAULT_SITE = natsClientShape.site.parse(undefined);

export interface MqttOptions extends MqttAccessOptions {
  /** Prefix of Home Assistant's discovery; true: its usual one. */
  readonly mqttDiscovery?: string | boolean;
  /** The plant, line or building, in the topics; default `local`. */
  readonly site?: string;
}

/** Closed with `close()`. */
export class MqttPublisher {
  readonly #connect: Connect;
  readonly #access: MqttAccess;
  readonly #options: MqttOptions;
  readonly #handlers: BrokerHandlers;
  readonly #service = new ControlService();
  readonly #cameras = new Set<MqttCamera>();
  readonly #closing = new Set<Promise<void>>();

  private constructor(connect: Connect, access: MqttAccess, options: MqttOptions, handlers: BrokerHandlers) {
    this.#connect = connect;
    this.#access = access;
    this.#options = options;
    this.#handlers = handlers;
  }

  /** Reads what there is to read; connects for each camera. OPTION_INVALID, FILE_FAILED. A broker that is away is no error. */
  static async open(options: MqttOptions, handlers: BrokerHandlers): Promise<MqttPublisher> {
    const access = await mqttAccess(options);
    const { default: mqtt } = await import('mqtt');
    return new MqttPublisher(mqtt.connect, access, options, handlers);
  }

  /** By camera id, of those whose bridges run. */
  get figures(): Readonly<Record<string, BrokerStats>> {
    return Object.fromEntries([...this.#cameras].map((camera) => [camera.cameraId, camera.figures]));
  }

  /** Adds a camera until its bridge has ended. OPTION_INVALID: its id cannot be part of a topic. */
  add(bridge: Bridge): void {
    const { mqttDiscovery = false, site = DEFAULT_SITE } = this.#options;
    this.#service.add(bridge);
    const camera = new MqttCamera(bridge, {
      connect: this.#connect,
      access: this.#access,
      site,
      discovery: mqttDiscovery === true ? DISCOVERY_PREFIX : mqttDiscovery || undefined,
      service: this.#service,
      handlers: this.#handlers,
    });
    this.#cameras.add(camera);
    const end = (): void => this.#end(camera);
    bridge.done.then(end, end);
  }

  /** Ends all, each within five seconds. Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#service.close();
    for (const camera of this.#cameras) this.#end(camera);
    await Promise.all(this.#closing);
  }

  #end(camera: MqttCamera): void {
    if (!this.#cameras.delete(camera)) return;
    const closing = camera.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
