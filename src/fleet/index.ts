/** Cameras beyond one machine: NATS and MQTT. What a broker needs is loaded when it is used. */
import type { BrokerOptions } from '../options/index.js';
import type { BrokerHandlers } from './broker-handlers.js';
import type { MqttOptions, MqttPublisher } from './mqtt/publisher.js';
import type { NatsPublishing } from './nats/publishing.js';

export type { BrokerHandlers } from './broker-handlers.js';
export type { MqttOptions, MqttPublisher } from './mqtt/publisher.js';
export { type CameraName, checkedName, subjectOf, topicOf } from './names.js';
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
