/** What Home Assistant is told of a camera: its MQTT discovery, one retained message an entity. */
import { packageVersion } from '../../package.js';
import type { Message } from './outbox.js';

export interface Discovered {
  readonly cameraId: string;
  readonly site: string;
  /** Of a kind of message. */
  topic(kind: string): string;
  readonly firmwareVersion: string;
  readonly hasAlgorithm: boolean;
}

/** What Home Assistant looks for, unless it is set up otherwise. */
export const DISCOVERY_PREFIX = 'homeassistant';

/** OK among the frames with a verdict, in percent; unknown while there is none. */
const YIELD =
  '{% set a = value_json.algorithm %}{% set n = (a.ok + a.ng) if a else 0 %}{{ (100 * a.ok / n) | round(1) if n else none }}';

/** The messages for a camera under a discovery prefix. Payloads of `status` are the defaults of Home Assistant. */
export function discoveryMessages(camera: Discovered, prefix: string): Message[] {
  const { cameraId, site, topic, firmwareVersion, hasAlgorithm } = camera;
  const unique = `openmv_${site}_${cameraId}`;
  const common = {
    device: {
      identifiers: [unique],
      name: `OpenMV ${cameraId}`,
      manufacturer: 'OpenMV',
      sw_version: firmwareVersion,
      ...(site === 'local' ? {} : { suggested_area: site }),
    },
    origin: { name: 'openmv-bridge', sw_version: packageVersion() },
  };
  const available = { availability_topic: topic('status') };
  const figure = { state_topic: topic('stats'), state_class: 'measurement', ...available };
  const entities: readonly [component: string, name: string, config: object][] = [
    ['camera', 'picture', { name: 'Picture', topic: topic('picture'), ...available }],
    [
      'binary_sensor',
      'connectivity',
      {
        ...{ name: 'Connectivity', device_class: 'connectivity', entity_category: 'diagnostic' },
        ...{ state_topic: topic('status'), payload_on: 'online', payload_off: 'offline' },
      },
    ],
    [
      'sensor',
      'frame_rate',
      {
        ...{ name: 'Frame rate', unit_of_measurement: 'fps', ...figure },
        value_template: '{{ value_json.framesPerSecond }}',
      },
    ],
  ];
  const algorithm: typeof entities = [
    ['sensor', 'yield', { name: 'Yield', unit_of_measurement: '%', ...figure, value_template: YIELD }],
  ];
  const object = unique.replace(/[^A-Za-z0-9_-]/g, '_');
  return [...entities, ...(hasAlgorithm ? algorithm : [])].map(([component, name, config]) => ({
    topic: `${prefix}/${component}/${object}/${name}/config`,
    payload: JSON.stringify({ ...config, unique_id: `${unique}_${name}`, ...common }),
    retain: true,
  }));
}
