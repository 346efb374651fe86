/** What `--json` prints of the subcommands beside `run`, whose lines are the bridge's. */
import { z } from 'zod';
import { LINE_SCHEMA } from '../bridge/index.js';
import { CHECK_STATUSES } from '../doctor/index.js';

const text = (description: string) => z.string().meta({ description });
const number = (description: string) => z.number().meta({ description });
const values = (description: string) => z.record(z.string(), z.unknown()).meta({ description });
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

/** The lines of `watch`, `list`, `info`, `bench`, `inspect`, `algo replay` and `algo check`. Fields are added, never taken away. */
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
  remote: line('remote', '`watch nats://`: what comes of a camera elsewhere, once a second.', {
    url: text('of the NATS server'),
    cameraId: text('its name'),
    status: text('live, or silent: no frame for 3 s'),
    framesPerSecond: rate,
    bytesPerSecond: rate,
    missed: number('frames of the last second that did not come'),
    sequence: orNull(z.number(), 'of the newest frame; null: none yet'),
    ageMs: orNull(z.number(), "of the newest frame, by the clock of the camera's machine"),
    width: number('pixels'),
    height: number('pixels'),
    bytes: number('of the newest frame'),
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
  camera: line('camera', '`fleet`: a camera of the site; with `--watch` each second.', {
    site: text('its site'),
    cameraId: text('its name'),
    status: z.enum(['online', 'offline', 'silent']).meta({
      description: 'silent: nothing was heard for three intervals of its status',
    }),
    state: text('of the connection to the camera: streaming, paused, reconnecting ...'),
    version: text('of the program that serves it'),
    framesPerSecond: rate,
    delivered: number('frames'),
    dropped: number('captured frames that were not delivered'),
    algorithm: orNull(
      z.strictObject({ ok: z.number(), ng: z.number(), failed: z.number(), skipped: z.number() }),
      'its verdicts; null: there is none',
    ),
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
  packet: line(
    'packet',
    '`inspect`: a packet, or what else happened on the line; `timestampMs` is that of the recording.',
    {
      event: z.enum(['packet', 'noise', 'opened', 'closed']).meta({
        description: 'a packet; bytes that are none; the line was opened; it is over',
      }),
      from: z.enum(['host', 'camera']).optional().meta({ description: 'who sent it' }),
      opcode: text('its name, or a hexadecimal number').optional(),
      channel: number('its id').optional(),
      channelName: text('as the camera lists it').optional(),
      number: number('of the packet, 0 to 255').optional(),
      flags: z.array(z.string()).optional().meta({ description: 'such as ACK_REQ' }),
      length: number('bytes of the payload, or of what is no packet').optional(),
      crc: z.enum(['ok', 'damaged', 'off']).optional().meta({
        description: 'damaged: that of the payload is wrong; off: the packets of this line have none',
      }),
      detail: text('what its payload says; of a line that broke, the error').optional(),
    },
  ),
  wire: line('wire', '`inspect --stats`: what went over the line, in figures.', {
    durationMs: number('from the first packet to the last'),
    host: values('packets and bytes that the host sent'),
    camera: values('packets and bytes that the camera sent'),
    opcodes: values('the same by opcode'),
    damaged: number('packets with a wrong checksum'),
    noise: number('runs of bytes that are no packet'),
    noiseBytes: number('of them'),
    nak: number('requests that the camera refused'),
    repeated: number('packets that were sent again'),
    broken: number('lines that ended in an error'),
    answerMs: values('from a request to the first packet of its answer: p50, p99, max; null: none'),
  }),
  change: line('change', '`algo replay`: a verdict that changed.', {
    cameraId: text('its camera'),
    sequence: number('of the frame'),
    recorded: orNull(z.enum(['OK', 'NG']), 'the verdict then; null: the call failed'),
    now: orNull(z.enum(['OK', 'NG']), "today's; null: the call failed"),
    reason: text('what the algorithm says to it now, else `then:` and what it said then').optional(),
  }),
  comparison: line('comparison', '`algo replay`: the last line.', {
    frames: number('that the algorithm gave a result about'),
    compared: number('those of them with a recorded result'),
    changed: number('verdicts that are others than recorded'),
    failed: number('frames without a verdict now'),
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
