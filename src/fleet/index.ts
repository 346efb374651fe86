/** Cameras beyond one machine: NATS and MQTT. What a broker needs is loaded when it is used. */
import type { BrokerOptions } from '../options/index.js';
import type { NatsPublishing } from './nats/publishing.js';

export { type CameraName, checkedName, subjectOf, topicOf } from './names.js';
export type { NatsPublishing } from './nats/publishing.js';

/** Connects a run to NATS; see `NatsPublishing.open`. */
export async function openNats(options: BrokerOptions & { readonly nats: string }): Promise<NatsPublishing> {
  const { NatsPublishing } = await import('./nats/publishing.js');
  return NatsPublishing.open(options);
}
