/** The kinds of channels, and the schema of each: Foxglove's own where there is one, so that its viewers know them. */
import { z } from 'zod';
import { runLines } from '../bridge/index.js';
import { descriptorSet, type FileDeclaration } from './protobuf.js';

export const CHANNEL_KINDS = ['frame', 'annotations', 'result', 'event', 'stats', 'log', 'wire'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

export interface ChannelSchema {
  readonly name: string;
  readonly encoding: 'protobuf' | 'jsonschema';
  readonly data: Uint8Array;
}

/** How a channel's messages are encoded. */
export const messageEncoding = ({ encoding }: ChannelSchema): 'protobuf' | 'json' =>
  encoding === 'protobuf' ? 'protobuf' : 'json';

/** `/log` has the lines of all cameras; the others belong to one. */
export const topicOf = (kind: ChannelKind, cameraId: string): string =>
  kind === 'log' ? '/log' : `/${cameraId}/${kind}`;

const TIMESTAMP: FileDeclaration = {
  name: 'google/protobuf/timestamp.proto',
  package: 'google.protobuf',
  message: 'Timestamp',
  fields: [
    { name: 'seconds', number: 1, type: 'int64' },
    { name: 'nanos', number: 2, type: 'int32' },
  ],
};
const timestamp = {
  name: 'timestamp',
  number: 1,
  type: 'message',
  typeName: '.google.protobuf.Timestamp',
} as const;

function protobuf(space: string, message: string, fields: FileDeclaration['fields']): ChannelSchema {
  const file = {
    name: `${space}/${message}.proto`,
    package: space,
    imports: [TIMESTAMP.name],
    message,
    fields,
  };
  return { name: `${space}.${message}`, encoding: 'protobuf', data: descriptorSet([TIMESTAMP, file]) };
}

type Form = Readonly<Record<string, unknown>>;

const object = (
  title: string,
  properties: Readonly<Record<string, Form>>,
  required = Object.keys(properties),
): Form => ({
  ...{ title, type: 'object', properties, required },
});
const list = (items: Form): Form => ({ type: 'array', items });
const numbers = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, { type: 'number' }]));
const whole = { type: 'integer', minimum: 0 };
const string = { type: 'string' };
const choice = (title: string, ...names: readonly string[]): Form => ({
  title,
  oneOf: names.map((name, value) => ({ title: name, const: value })),
});

function json(form: Form): ChannelSchema {
  return {
    name: String(form['title']),
    encoding: 'jsonschema',
    data: new TextEncoder().encode(JSON.stringify(form)),
  };
}

const time = object('time', { sec: whole, nsec: { ...whole, maximum: 999_999_999 } }, []);
const point = object('foxglove.Point2', numbers('x', 'y'));
const color = object('foxglove.Color', numbers('r', 'g', 'b', 'a'));
const thickness = { type: 'number' };

/** https://docs.foxglove.dev/docs/sdk/schemas/image-annotations */
const IMAGE_ANNOTATIONS = object('foxglove.ImageAnnotations', {
  circles: list(
    object('foxglove.CircleAnnotation', {
      timestamp: time,
      position: point,
      diameter: { type: 'number' },
      thickness,
      fill_color: color,
      outline_color: color,
    }),
  ),
  points: list(
    object('foxglove.PointsAnnotation', {
      timestamp: time,
      type: choice(
        'foxglove.PointsAnnotationType',
        'UNKNOWN',
        'POINTS',
        'LINE_LOOP',
        'LINE_STRIP',
        'LINE_LIST',
      ),
      points: list(point),
      outline_color: color,
      outline_colors: list(color),
      fill_color: color,
      thickness,
    }),
  ),
  texts: list(
    object('foxglove.TextAnnotation', {
      timestamp: time,
      position: point,
      text: string,
      font_size: { type: 'number' },
      text_color: color,
      background_color: color,
    }),
  ),
});

/** https://docs.foxglove.dev/docs/sdk/schemas/log */
const LOG = object('foxglove.Log', {
  timestamp: time,
  level: choice('foxglove.LogLevel', 'UNKNOWN', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'FATAL'),
  message: string,
  name: string,
  file: string,
  line: whole,
});

/**
 * Our own JSON lines. Viewers plot what the schema names, and take only plain types: of the lines' schemas what they
 * understand, with the rest left to the messages themselves.
 */
function line(title: string, schema: z.ZodType): ChannelSchema {
  return json({ ...plain(z.toJSONSchema(schema) as Form), title });
}

function plain(form: Form): Form | undefined {
  const { type, anyOf } = form;
  // A value or null.
  if (Array.isArray(anyOf)) return plain(anyOf[0] as Form);
  if (type !== 'object')
    return ['string', 'number', 'integer', 'boolean'].includes(String(type)) ? { type } : undefined;
  const properties = Object.entries((form['properties'] ?? {}) as Readonly<Record<string, Form>>).flatMap(
    ([name, one]) => {
      const known = plain(one);
      return known ? [[name, known] as const] : [];
    },
  );
  return { type, properties: Object.fromEntries(properties) };
}

/** Events have forms of their own; these they have in common. */
const EVENT = z.looseObject({ type: z.string(), timestampMs: z.number(), cameraId: z.string() });

export const SCHEMAS: Readonly<Record<ChannelKind, ChannelSchema>> = {
  /** https://docs.foxglove.dev/docs/sdk/schemas/compressed-image */
  frame: protobuf('foxglove', 'CompressedImage', [
    timestamp,
    { name: 'data', number: 2, type: 'bytes' },
    { name: 'format', number: 3, type: 'string' },
    { name: 'frame_id', number: 4, type: 'string' },
  ]),
  annotations: json(IMAGE_ANNOTATIONS),
  result: line('openmv.Result', runLines.result),
  event: line('openmv.Event', EVENT),
  stats: line('openmv.Stats', runLines.stats),
  log: json(LOG),
  wire: protobuf('openmv', 'WireBytes', [
    timestamp,
    { name: 'data', number: 2, type: 'bytes' },
    { name: 'from_camera', number: 3, type: 'bool' },
    { name: 'connection', number: 4, type: 'uint32' },
  ]),
};
