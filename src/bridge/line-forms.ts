/** The forms of the JSON lines by which programs are told of a run. docs/json-lines.md and tools/json-lines.schema.json come from here. */
import { z } from 'zod';
import { SINK_KINDS } from './sink.js';

/** Of all lines; raised when a field is taken away or changes its meaning, which has not happened yet. */
export const LINE_SCHEMA = 1;

const text = (description: string) => z.string().meta({ description });
const count = (description: string) => z.int().min(0).meta({ description });
const milliseconds = (description: string) => z.number().min(0).meta({ description });
const values = (description: string) => z.record(z.string(), z.unknown()).meta({ description });
const valuesOrNull = (description: string) =>
  z.record(z.string(), z.unknown()).nullable().meta({ description });
const cameraId = text('which camera');
const sequence = z
  .int()
  .min(1)
  .meta({ description: 'the frame: counts delivered frames of a camera from 1' });

const latency = (description: string) =>
  z
    .strictObject({
      p50: milliseconds('half take no longer'),
      p99: milliseconds('99 of 100 take no longer'),
    })
    .nullable()
    .meta({ description });

function line<Type extends string, Shape extends z.ZodRawShape>(
  type: Type,
  description: string,
  shape: Shape,
) {
  const timestampMs = z.number().meta({ description: 'Unix milliseconds of what the line tells' });
  return z.strictObject({ type: z.literal(type), timestampMs, ...shape }).meta({ description });
}

const problem = {
  code: text('the error, for programs'),
  message: text('the error, for people: what is wrong and what to do'),
};

/** The lines of a run. Fields are added, never taken away. */
export const runLines = {
  start: line('start', 'The first line.', {
    schema: z.literal(LINE_SCHEMA).meta({ description: 'version of the form of all lines' }),
    version: text('version of this program'),
    runId: text('new at each start: runId, cameraId and sequence name a frame for ever'),
  }),
  connected: line('connected', 'A camera is connected, at first and again.', {
    cameraId,
    port: text('its port'),
    protocolVersion: text('such as 1.0.2'),
    firmwareVersion: text('such as 5.0.0'),
    maxPayload: count('bytes a packet'),
    ack: z.boolean().meta({ description: 'packets are acknowledged' }),
  }),
  source: line('source', 'Frames come from elsewhere than before, because of the script that runs.', {
    cameraId,
    source: z.enum(['frame', 'preview']).meta({
      description: "the script's channel, or the firmware's preview",
    }),
  }),
  frame: line('frame', 'A frame was delivered; `timestampMs` is when it was complete on the host.', {
    cameraId,
    sequence,
    width: count('pixels'),
    height: count('pixels'),
    bytes: count('of the JPEG'),
    crc32: text("the JPEG's IEEE CRC-32, 8 hexadecimal digits"),
    capturedAtMs: z.number().optional().meta({
      description:
        'Unix milliseconds at which the sensor had the picture; missing where the script on the camera does not tell',
    }),
    capturedErrorMs: milliseconds('by which `capturedAtMs` is wrong at most').optional(),
    triggerId: z.int().min(1).max(65_535).optional().meta({
      description: 'number of the trigger that it was captured for',
    }),
    sharedMemId: z.string().nullable().meta({
      description: "the image file's id with an algorithm, else the segment's name; null: neither",
    }),
    file: z.string().optional().meta({ description: 'the file that it was saved to' }),
    data: z.unknown().optional().meta({
      description: 'what the script on the camera attached to it with `frame.tag`; missing: nothing',
    }),
  }),
  result: line('result', "The algorithm's answer to a frame.", {
    cameraId,
    sequence,
    requestId: text('of the call'),
    status: z.enum(['OK', 'ERROR']).meta({ description: 'whether the call worked' }),
    resultStatus: z.enum(['OK', 'NG']).nullable().meta({ description: 'the verdict; null: none' }),
    latencyMs: milliseconds('from the call to its result'),
    latency: z
      .strictObject({
        queueMs: milliseconds('waiting for a free worker'),
        transferMs: milliseconds('handing the frame over'),
        computeMs: milliseconds('from the call to its result'),
      })
      .meta({ description: "the time from the frame's arrival to its result, in parts" }),
    worker: count('adapter that it came from, counted from 1; 0: none, for the image file failed'),
    flags: z.array(z.string()).optional().meta({ description: 'what is odd about a verdict' }),
    message: text('what the algorithm says to its verdict').optional(),
    calibrationRects: z
      .array(values('a rectangle, in pixels'))
      .optional()
      .meta({ description: 'those of the result, or else of pre_execute' }),
    data: valuesOrNull("the result's own data; null: none"),
    error: z
      .strictObject({
        ...problem,
        algorithmCode: z
          .strictObject({ code: z.string(), name: z.string() })
          .optional()
          .meta({ description: "the algorithm's own code, and its name" }),
      })
      .optional()
      .meta({ description: 'why there is no verdict' }),
  }),
  skipped: line('skipped', 'The algorithm did not see a frame.', {
    cameraId,
    sequence,
    reason: text('newer_frame: one took its place; algorithm_failed: for good; closed: the run ended first'),
  }),
  dropped: line(
    'dropped',
    'Captured frames that are not delivered, or delivered ones that a pipeline lacks.',
    {
      cameraId,
      reason: text(
        'corrupt, too_large, unreadable, skipped, stale, repeated, replaced, missed or pipeline: see below',
      ),
      count: count('how many'),
    },
  ),
  recovered: line('recovered', 'What had failed works again.', {
    cameraId,
    sink: text(`what frames go to: ${SINK_KINDS.join(', ')}`),
    lost: count('frames that it lacks'),
  }),
  disconnected: line('disconnected', 'The camera has gone.', { cameraId, ...problem }),
  stdout: line('stdout', "What the camera's script prints.", { cameraId, text: text('as it came') }),
  pipeline: line('pipeline', 'What GStreamer warns of, and that it takes long to finish a file.', {
    cameraId,
    text: text('its words'),
  }),
  runner: line('runner', "The state of the algorithm's process.", {
    cameraId,
    state: text('such as starting, loading, ready, restarting, failed'),
  }),
  log: line('log', "A line of the algorithm's log.", {
    cameraId,
    worker: count('adapter that it came from'),
    level: text('debug, info, warn or error'),
    message: text('what it says'),
    fields: values('of a structured line').optional(),
  }),
  stats: line('stats', 'Figures, once a second; counters are since the start.', {
    cameraId,
    framesPerSecond: z.number().meta({ description: 'of the last second' }),
    bytesPerSecond: count('of the last second'),
    frameBytes: count('of the last frame'),
    width: count('of the last frame'),
    height: count('of the last frame'),
    delivered: count('frames'),
    dropped: count('captured frames that were not delivered'),
    droppedByReason: values('the same by reason'),
    repaired: count('ranges of frames that were damaged on the way and read again'),
    damagedData: count('frames delivered without what the script attached to them, because it is no JSON'),
    undecoded: count('frames that pixels in shared memory lack'),
    latencyMs: z
      .strictObject({
        delivered: latency('from the capture of a frame to its delivery'),
        result: latency("from the capture of a frame to the algorithm's result"),
      })
      .meta({
        description: 'of about the last minute; null: none, or the script does not tell capture times',
      }),
    sinks: values('by sink: frames written, lost and skipped').optional(),
    brokers: values('by broker: connected, reconnects; results and events sent, pending and lost').optional(),
    algorithm: valuesOrNull('of the algorithm: state, ok, ng, failed, skipped, latencyMs ...; null: none'),
    link: values('counters of the line'),
  }),
  error: line('error', 'Something went wrong that does not end the run, or ends it.', {
    cameraId: cameraId.optional(),
    sink: text('what has begun to fail, until `recovered` names it').optional(),
    ...problem,
  }),
  lost: line('lost', 'Lines, not of frames or results, were left out while the reader stalled.', {
    cameraId: cameraId.optional(),
    count: count('how many'),
  }),
} as const;

export type RunLines = { readonly [Type in keyof typeof runLines]: z.infer<(typeof runLines)[Type]> };
