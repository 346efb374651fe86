/** Cameras beyond one machine: NATS and MQTT. What a broker needs is loaded when it is used. */
import type { BridgeError } from '../errors.js';
import type { AlgorithmOptions, BrokerOptions, NatsClientOptions } from '../options/index.js';
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

/** Connects a run to NATS; see `NatsPublishing.open`. */
export async function openNats(options: BrokerOptions & { readonly nats: string }): Promise<NatsPublishing> {
  const { NatsPublishing } = await import('./nats/publishing.js');
  return NatsPublishing.open(options);
}

/** Connects the cameras of a run to an MQTT broker; see `MqttPublisher.open`. */
export async function openMqtt(options: MqttOptions, handlers: BrokerHandlers): Promise<MqttPublisher> {
  const { MqttPublisher } = await import('./mqtt/publisher.js');
  return MqttPublisher.open(options, handlers);
}

/** Takes calls of bridges elsewhere for an algorithm that runs here; see `CallServer.open`. */
export async function openCallServer(
  access: NatsClientOptions,
  camera: string,
  command: string | readonly string[],
  options: AlgorithmOptions,
  handlers: CallServerHandlers,
): Promise<CallServer> {
  const { CallServer } = await import('./nats/call-server.js');
  return CallServer.open(access, camera, command, options, handlers);
}

/** Sends a command to a camera at a NATS server; see `sendNatsCommand`. */
export async function sendRemoteCommand(access: NatsClientOptions, command: RemoteCommand): Promise<string> {
  const { sendNatsCommand } = await import('./nats/client.js');
  return sendNatsCommand(access, command);
}

/** Hears the cameras of a site at a NATS server, also when that comes back; see `FleetView.open`. */
export async function openFleetView(
  access: NatsClientOptions,
  away: (error: BridgeError) => void,
): Promise<FleetView> {
  const { FleetView } = await import('./nats/fleet-view.js');
  return FleetView.open(access, away);
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
