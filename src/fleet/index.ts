/** Cameras beyond one machine: NATS and MQTT. What a broker needs is loaded when it is used. */
import type { BridgeError } from '../errors.js';
import {
  type AlgorithmInput,
  algorithmOptionsSchema,
  type BrokerInput,
  brokersSchema,
  type NatsClientInput,
  type NatsClientOptions,
  natsClientSchema,
  parseOptions,
} from '../options/index.js';
import type { BrokerHandlers } from './broker-handlers.js';
import type { MqttOptions, MqttPublisher } from './mqtt/publisher.js';
import type { CallServer, CallServerHandlers } from './nats/call-server.js';
import type { RemoteCommand } from './nats/client.js';
import type { FleetView } from './nats/fleet-view.js';
import type { NatsPublishing } from './nats/publishing.js';
import type { SiteCameras, SiteHandlers } from './nats/site-cameras.js';
import type { SubscribedFrame, SubscribeOptions } from './nats/subscribe.js';

export type { BrokerHandlers } from './broker-handlers.js';
export type { MqttOptions, MqttPublisher } from './mqtt/publisher.js';
export { type CameraName, checkedName, subjectOf, topicOf } from './names.js';
export type { CallServer, CallServerHandlers } from './nats/call-server.js';
export type { RemoteCommand } from './nats/client.js';
export type { FleetCamera, FleetView } from './nats/fleet-view.js';
export type { RemoteFrame } from './nats/frame-message.js';
export type { NatsPublishing } from './nats/publishing.js';
export type { SiteCameras, SiteHandlers } from './nats/site-cameras.js';
export type { SubscribedFrame, SubscribeOptions } from './nats/subscribe.js';

const nothing = (): void => undefined;

/**
 * Connects to a NATS server, which is tried again until `close()`; `add` publishes what a bridge has from then on, `remote` calls
 * workers for its frames. A server that is away is an `error` event of the bridges. OPTION_INVALID: wrong options, or a file that
 * cannot be read.
 */
export async function openNats(options: BrokerInput & { readonly nats: string }): Promise<NatsPublishing> {
  const { NatsPublishing } = await import('./nats/publishing.js');
  return NatsPublishing.open({ ...parseOptions(brokersSchema, options), nats: options.nats });
}

/**
 * Connects to an MQTT broker, once for each camera that is added; `add` tells it what a bridge has from then on. A broker that is
 * away is told to `handlers`, and tried again until `close()`. OPTION_INVALID, FILE_FAILED.
 */
export async function openMqtt(
  options: MqttOptions,
  handlers: Partial<BrokerHandlers> = {},
): Promise<MqttPublisher> {
  const { MqttPublisher } = await import('./mqtt/publisher.js');
  const all = { failed: nothing, recovered: nothing, unsent: nothing, ...handlers };
  return MqttPublisher.open(options, all);
}

/** What a worker runs, and for whom. */
export type WorkerInput = AlgorithmInput & {
  /** The algorithm: a command and its words. */
  readonly runner: string | readonly string[];
  /** Calls of this camera only; default: of every one of the site. */
  readonly camera?: string;
};

/** Takes calls of bridges elsewhere (`runner: 'nats:'`) for an algorithm that runs here; see `CallServer.open`. */
export async function openCallServer(
  access: NatsClientInput,
  { camera, ...algorithm }: WorkerInput,
  handlers: Partial<CallServerHandlers> = {},
): Promise<CallServer> {
  const { CallServer } = await import('./nats/call-server.js');
  const options = parseOptions(algorithmOptionsSchema, algorithm);
  const all = {
    log: nothing,
    state: nothing,
    error: nothing,
    answered: nothing,
    away: nothing,
    connected: nothing,
  };
  const parsed = parseOptions(natsClientSchema, access);
  return CallServer.open(parsed, camera, algorithm.runner, options, { ...all, ...handlers });
}

/**
 * Sends a command of the control socket to a camera at a NATS server, and gives its reply, a JSON object as text. BROKER_FAILED,
 * BROKER_DENIED: the server cannot be used; PORT_NOT_FOUND: no bridge serves that camera; OPTION_INVALID: there are several;
 * PORT_FAILED: no reply in time.
 */
export async function sendRemoteCommand(access: NatsClientInput, command: RemoteCommand): Promise<string> {
  const { sendNatsCommand } = await import('./nats/client.js');
  return sendNatsCommand(parseOptions(natsClientSchema, access), command);
}

/** Hears the cameras of a site at a NATS server, also when that comes back; see `FleetView.open`. */
export async function openFleetView(
  access: NatsClientInput,
  away: (error: BridgeError) => void = nothing,
  signal?: AbortSignal,
): Promise<FleetView> {
  const { FleetView } = await import('./nats/fleet-view.js');
  return FleetView.open(parseOptions(natsClientSchema, access), away, signal);
}

/**
 * Frames of `camera` at the NATS server `url`, which a bridge publishes there: whole, in order, none twice, over any number of
 * connections and runs. Ends with `options.signal`. OPTION_INVALID: a wrong URL, camera, site or file.
 */
export async function* subscribeFrames(
  url: string,
  camera: string,
  options: SubscribeOptions = {},
): AsyncGenerator<SubscribedFrame, void, undefined> {
  const { subscribeFrames: subscribe } = await import('./nats/subscribe.js');
  yield* subscribe(url, camera, options);
}

/** The cameras of a site as bridges; see `SiteCameras.open`. */
export async function openSiteCameras(
  access: NatsClientOptions,
  handlers: SiteHandlers,
): Promise<SiteCameras> {
  const { SiteCameras } = await import('./nats/site-cameras.js');
  return SiteCameras.open(access, handlers);
}
