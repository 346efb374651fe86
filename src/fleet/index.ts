/** Cameras beyond one machine: NATS and MQTT. What a broker needs is loaded when it is used. */

import type { AlgorithmOptions, BrokerOptions, NatsClientOptions } from '../options/index.js';
import type { BrokerHandlers } from './broker-handlers.js';
import type { MqttOptions, MqttPublisher } from './mqtt/publisher.js';
import type { CallServer, CallServerHandlers } from './nats/call-server.js';
import type { NatsPublishing } from './nats/publishing.js';

export type { BrokerHandlers } from './broker-handlers.js';
export type { MqttOptions, MqttPublisher } from './mqtt/publisher.js';
export { type CameraName, checkedName, subjectOf, topicOf } from './names.js';
export type { CallServer, CallServerHandlers } from './nats/call-server.js';
export type { NatsPublishing } from './nats/publishing.js';

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
