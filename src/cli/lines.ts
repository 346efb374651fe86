/** What `--json` prints of the subcommands beside `run`, whose lines are the bridge's. */
import { z } from 'zod';
import { LINE_SCHEMA } from '../bridge/index.js';
import { CHECK_STATUSES } from '../doctor/index.js';

const text = (description: string) => z.string().meta({ description });
const number = (description: string) => z.number().meta({ description });
const orNull = <T extends z.ZodType>(schema: T, description: string) =>
  schema.nullable().meta({ description });

function line<Type extends string, Shape extends z.ZodRawShape>(
  type: Type,
  description: string,
  shape: Shape,
) {
  const timestampMs = number('Unix milliseconds');
  const schema = z.literal(LINE_SCHEMA).meta({ description: 'version of the form of all lines' });
  return z.strictObject({ type: z.literal(type), schema, timestampMs, ...shape }).meta({ description });
}

const rate = number('of the last second');
const times = (description: string) =>
  orNull(
    z.strictObject({ p50: z.number(), p99: z.number(), p999: z.number(), max: z.number() }),
    `${description}, in ms`,
  );

/** The lines of `watch`, `list`, `info`, `bench` and `algo check`. Fields are added, never taken away. */
export const reportLines = {
  segment: line('segment', '`watch`: what is in the segment, once a second.', {
    name: text('of the segment'),
    layout: text('vizn, ring or array'),
    status: text('empty, live, stale: its writer has gone, or gone'),
    ownerPid: orNull(z.int(), 'the writer; null: unknown'),
    framesPerSecond: rate,
    bytesPerSecond: rate,
    missed: number('frames of the last second that were replaced before they could be read'),
    sequence: orNull(z.number(), 'of the newest frame; null: none yet'),
    ageMs: orNull(z.number(), 'of the newest frame'),
    width: number('pixels'),
    height: number('pixels'),
    format: orNull(z.string(), 'such as MJPG'),
    shape: orNull(z.array(z.number()), 'of an array'),
    bytes: number('of the newest frame'),
    segmentBytes: number('of the segment'),
  }),
  port: line('port', '`list`: a camera, or with `--all` a serial port.', {
    path: text('what to open'),
    byId: text('a name that survives re-plugging').optional(),
    board: text('name of the board').optional(),
    isCamera: z.boolean().meta({ description: 'its USB identity is that of an OpenMV board' }),
    usbVendorId: number('of its USB identity').optional(),
    usbProductId: number('of its USB identity').optional(),
    serialNumber: text('of its USB identity').optional(),
    manufacturer: text('of its USB identity').optional(),
    firmware: text('its version, when it is too old; not asked for while a program has the port').optional(),
  }),
  info: line('info', '`info`: what a camera says of itself.', {
    cameraId: text('its name'),
    port: text('its port'),
    versions: z
      .strictObject({ protocol: z.string(), bootloader: z.string(), firmware: z.string() })
      .meta({ description: 'such as 5.0.0' }),
    usbId: text('vendor and product, such as 37c5:1206'),
    cpuId: text('8 hexadecimal digits'),
    sensors: z.array(z.string()).meta({ description: 'chip ids, 4 hexadecimal digits each' }),
    framebufferKb: number('size of the frame buffer'),
    streamBufferKb: number('size of the stream buffer'),
    link: z.record(z.string(), z.unknown()).meta({ description: 'what was agreed on' }),
    scriptRunning: z.boolean().meta({ description: 'whether a script runs' }),
    channels: z
      .array(z.strictObject({ id: z.int(), name: z.string(), flags: z.array(z.string()) }))
      .meta({ description: 'its channels' }),
    statistics: z.record(z.string(), z.number()).meta({ description: "the camera's own counters" }),
    memory: z.array(z.record(z.string(), z.unknown())).meta({ description: 'heaps and pools, in bytes' }),
  }),
  bench: line('bench', '`bench`: what was measured.', {
    cameras: z.int().meta({ description: 'that were measured at the same time' }),
    seconds: number('that were measured'),
    frames: z.int().meta({ description: 'delivered, of all cameras' }),
    framesPerSecond: number('of all cameras'),
    framesPerSecondEach: z.array(z.number()).meta({ description: 'of each camera' }),
    bytesPerSecond: number('of all cameras'),
    frameBytes: number('mean size of a frame'),
    dropped: z.int().meta({ description: 'captured and not delivered' }),
    undecoded: z.int().meta({ description: 'delivered, and missing among the pixels in shared memory' }),
    repaired: z.int().meta({ description: 'ranges of frames that were read again' }),
    requestsPerFrame: number('mean'),
    packetsPerFrame: number('mean, both directions'),
    lineOverhead: number("bytes received beside the frames' own, as a share of these"),
    resyncs: z.int().meta({ description: 'times that the link began again' }),
    timeouts: z.int().meta({ description: 'waits for a reply that ran out' }),
    retries: z.int().meta({ description: 'requests sent again' }),
    fragmentsLost: z.int().meta({ description: 'pieces of replies that did not arrive whole' }),
    roundTripMs: number('of a request, smoothed, first camera; 0: not measured'),
    cpuMsPerFrame: number('processor time of all threads'),
    cpuShare: number('the same, of one core: 0.25 is a quarter of it'),
    busyMsPerFrame: number('time in which the event loop was not idle'),
    intervalMs: times('between two frames of a camera'),
    announcedToPublishedMs: times('from the announcement of a frame to subscribers: requests, line, sinks'),
    completeToPublishedMs: times("from a frame's last byte to subscribers: what the sinks take"),
    captureToPublishedMs: times('from the capture, where it is known when that was'),
    eventLoopDelayMs: times('how late the event loop comes to a timer'),
  }),
  doctor: line('doctor', '`doctor`: what was checked; in one line.', {
    checks: z
      .array(
        z.strictObject({
          name: z.string(),
          status: z.enum(CHECK_STATUSES),
          text: z.string(),
          fix: z.string().nullable(),
        }),
      )
      .meta({
        description:
          '`failed`: a run would not do its main job; `fix`: the command that puts it right, null where none does',
      }),
  }),
  check: line('check', '`algo check`: the report.', {
    ok: z.boolean().meta({ description: 'no step failed' }),
    sdkVersion: orNull(z.string(), 'what the adapter says'),
    capabilities: z.array(z.string()).meta({ description: 'what the adapter says' }),
    dialect: orNull(z.string(), 'how it was called'),
    steps: z
      .array(
        z.strictObject({
          name: z.string(),
          status: z.enum(['ok', 'warning', 'failed', 'skipped']),
          text: z.string(),
          ms: z.number().nullable(),
        }),
      )
      .meta({ description: 'what was tried, and what came of it' }),
  }),
} as const;

type ReportLines = { readonly [Type in keyof typeof reportLines]: z.infer<(typeof reportLines)[Type]> };

/** One such line. */
export function reportLine<Type extends keyof ReportLines>(
  type: Type,
  fields: {
    readonly [Name in Exclude<keyof ReportLines[Type], 'type' | 'schema' | 'timestampMs'>]?: unknown;
  },
): object {
  return { type, schema: LINE_SCHEMA, timestampMs: Date.now(), ...fields };
}
