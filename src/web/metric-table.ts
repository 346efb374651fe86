/** What is read off a camera's figures when metrics are asked for: names, units and labels by Prometheus' conventions. */
import type { AlgorithmStats, BridgeStats, BrokerStats, SinkKind, SinkStats } from '../bridge/index.js';
import type { FrameMeter } from './frame-meter.js';
import type { WatchedCamera } from './watched-camera.js';

export interface Metered {
  readonly camera: WatchedCamera;
  readonly meter: FrameMeter;
}

/** Labels beside `camera`, and a value. */
export type Series = readonly [labels: Readonly<Record<string, string>>, value: number];

export interface CameraMetric {
  readonly kind: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** Beside `camera`. */
  readonly labels: readonly string[];
  read(metered: Metered): readonly Series[];
}

/** Fields of figures that are numbers. */
type Numbers<T> = { [Key in keyof T]-?: T[Key] extends number ? Key : never }[keyof T];
type Line = readonly [name: string, help: string];
/** A line for each: a counter that is added to the figures does not compile without. null: it is told in another form. */
type Table<T> = Readonly<Record<Numbers<T>, Line | null>>;
type LinkStats = BridgeStats['link'];

const BRIDGE: Table<BridgeStats> = {
  repaired: ['openmv_frame_repairs_total', 'Ranges of frames that were damaged on the way and read again.'],
  damagedData: [
    'openmv_frame_data_damaged_total',
    'Frames delivered without what the script attached to them, because it is no JSON.',
  ],
  undecoded: ['openmv_frames_undecoded_total', 'Delivered frames that pixels in shared memory lack.'],
  frameBytes: ['openmv_last_frame_size_bytes', 'Size of the last frame.'],
  width: ['openmv_last_frame_width_pixels', 'Width of the last frame.'],
  height: ['openmv_last_frame_height_pixels', 'Height of the last frame.'],
  // As they are now, not a second ago: from the meter.
  delivered: null,
  // By reason.
  dropped: null,
  // What `rate` of the counters says, over any time.
  framesPerSecond: null,
  bytesPerSecond: null,
};

const ALGORITHM: Table<AlgorithmStats> = {
  workers: ['openmv_algorithm_workers', 'Adapters that the algorithm may have.'],
  starts: ['openmv_algorithm_starts_total', 'Adapters started.'],
  crashes: ['openmv_algorithm_crashes_total', 'Adapters that ended, or had to be ended, unasked.'],
  timeouts: ['openmv_algorithm_timeouts_total', 'Calls that took too long.'],
  retries: ['openmv_algorithm_retries_total', 'Calls made once more with the same frame.'],
  logLinesLeftOut: ['openmv_algorithm_log_lines_left_out_total', 'Lines of its log that came too fast.'],
  // By outcome and reason, from the meter.
  ok: null,
  ng: null,
  failed: null,
  skipped: null,
  pending: null,
};

const LINK: Table<LinkStats> = {
  packetsSent: ['openmv_link_sent_packets_total', 'Packets sent.'],
  packetsReceived: ['openmv_link_received_packets_total', 'Good packets received.'],
  bytesSent: ['openmv_link_sent_bytes_total', 'Bytes sent.'],
  bytesReceived: ['openmv_link_received_bytes_total', 'Bytes received.'],
  requests: ['openmv_link_requests_total', 'Requests made.'],
  retries: ['openmv_link_retries_total', 'Requests sent again.'],
  acksSent: ['openmv_link_acks_sent_total', 'Acknowledgements sent.'],
  duplicates: ['openmv_link_duplicate_packets_total', 'Packets that came again and were not used twice.'],
  stale: ['openmv_link_stale_packets_total', 'Good packets that belong to no request in progress.'],
  events: ['openmv_link_events_total', 'Events of the camera.'],
  timeouts: ['openmv_link_timeouts_total', 'Waits for a reply that ran out.'],
  resyncs: ['openmv_link_resyncs_total', 'Resynchronisations after the connection was made.'],
  fragmentsLost: ['openmv_link_fragments_lost_total', 'Fragments that did not arrive, or not whole.'],
  headerErrors: ['openmv_link_header_errors_total', 'Headers with a bad checksum.'],
  payloadErrors: ['openmv_link_payload_errors_total', 'Payloads with a bad checksum.'],
  discardedBytes: ['openmv_link_discarded_bytes_total', 'Bytes that were part of no good packet.'],
  // In seconds, below.
  roundTripMs: null,
};

const SINK: Table<SinkStats> = {
  written: ['openmv_sink_frames_written_total', 'Frames that a destination has taken.'],
  lost: ['openmv_sink_frames_lost_total', 'Frames that a destination did not take because of an error.'],
  skipped: ['openmv_sink_frames_skipped_total', 'Frames that a newer one replaced before they were written.'],
};

const BROKER: Table<BrokerStats> = {
  sent: ['openmv_broker_messages_sent_total', 'Results and events that a broker has taken.'],
  pending: ['openmv_broker_messages_pending', 'Results and events that wait for a broker.'],
  lost: ['openmv_broker_messages_lost_total', 'Results and events that did not reach a broker.'],
  reconnects: ['openmv_broker_reconnects_total', 'Connections to a broker after the first.'],
};

/** Before they happen they are 0, so that the first one is seen as an increase. */
const NO_DROPS: Required<BridgeStats['droppedByReason']> = {
  ...{ corrupt: 0, too_large: 0, unreadable: 0, skipped: 0, stale: 0, repeated: 0, replaced: 0, missed: 0 },
};
const NO_STRAYS: AlgorithmStats['stray'] = { late: 0, duplicate: 0, unknown: 0 };

/** Counters by their names' end, as the conventions have it; gauges are the others. */
function metric(
  name: string,
  help: string,
  labels: readonly string[],
  read: CameraMetric['read'],
): CameraMetric {
  return { kind: name.endsWith('_total') ? 'counter' : 'gauge', name, help, labels, read };
}

/** The metrics of a table; `of` finds the figures, if there are any. */
function fromTable<T extends object>(
  table: Table<T>,
  of: (stats: BridgeStats) => T | null,
): readonly CameraMetric[] {
  return Object.entries(table as Readonly<Record<string, Line | null>>).flatMap(([field, line]) => {
    if (line === null) return [];
    const read: CameraMetric['read'] = ({ camera: { stats } }) => {
      const figures = stats && of(stats);
      return figures ? [[{}, figures[field as Numbers<T>] as number]] : [];
    };
    return [metric(...line, [], read)];
  });
}

const one = (value: number | boolean | null | undefined): readonly Series[] =>
  value === null || value === undefined ? [] : [[{}, Number(value)]];

const by = (label: string, counts: object): readonly Series[] =>
  Object.entries(counts).map(([name, count]) => [{ [label]: name }, Number(count)]);

/** The metrics of a table with figures for each kind of something, which becomes a label. */
function byKind<T extends object>(
  table: Table<T>,
  label: string,
  of: (stats: BridgeStats) => Readonly<Partial<Record<string, T>>>,
): readonly CameraMetric[] {
  return Object.entries(table as Readonly<Record<string, Line>>).map(([field, line]) =>
    metric(...line, [label], ({ camera: { stats } }) =>
      Object.entries(stats ? of(stats) : {}).map(([kind, figures]) => [
        { [label]: kind },
        figures![field as Numbers<T>] as number,
      ]),
    ),
  );
}

/** The newest figures of the processes; one sample is a second. */
const lastOf = ({ camera }: Metered, name: string): number | null =>
  camera.history.columns(Date.now() - 5_000).series[name]?.at(-1) ?? null;

export const CAMERA_METRICS: readonly CameraMetric[] = [
  metric(
    'openmv_camera_info',
    'Always 1; what the camera is.',
    ['port', 'firmware', 'protocol'],
    ({ camera: { bridge } }) => {
      const { port, version } = bridge.camera.info();
      return [[{ port, firmware: version.firmware.join('.'), protocol: version.protocol.join('.') }, 1]];
    },
  ),
  metric('openmv_camera_connected', 'Whether the camera is connected.', [], ({ camera: { bridge } }) =>
    one(bridge.camera.connected),
  ),
  metric('openmv_camera_streaming', 'Whether frames are wanted of it.', [], ({ camera: { bridge } }) =>
    one(bridge.streaming),
  ),
  metric('openmv_camera_healthy', 'Whether frames come, or are on their way.', [], ({ camera: { health } }) =>
    one(health.camera.ok),
  ),
  metric('openmv_frames_delivered_total', 'Delivered frames.', [], ({ meter }) => one(meter.delivered)),
  metric('openmv_frames_delivered_bytes_total', 'Bytes of delivered frames.', [], ({ meter }) =>
    one(meter.bytes),
  ),
  metric('openmv_last_frame_timestamp_seconds', 'When the last frame came, Unix time.', [], ({ meter }) =>
    one(meter.lastFrameMs === undefined ? undefined : meter.lastFrameMs / 1_000),
  ),
  metric(
    'openmv_frames_dropped_total',
    'Captured frames that were not delivered.',
    ['reason'],
    ({ camera }) => by('reason', { ...NO_DROPS, ...camera.stats?.droppedByReason }),
  ),
  metric(
    'openmv_outcomes_total',
    'What became of delivered frames at the algorithm; reason: why it failed or was skipped.',
    ['outcome', 'reason'],
    ({ meter }) =>
      meter.outcomes.map(({ outcome, reason, count }) => [
        { outcome, ...(reason === undefined ? {} : { reason }) },
        count,
      ]),
  ),
  metric(
    'openmv_ng_frames_unkept_total',
    'Frames found NG that could not be kept for the page.',
    [],
    ({ camera }) => one(camera.results.kept.lost),
  ),
  metric('openmv_outcomes_pending', 'Delivered frames without an outcome yet.', [], ({ camera, meter }) =>
    camera.health.algorithm ? one(meter.pending) : [],
  ),
  metric('openmv_algorithm_ready', 'Whether the algorithm is ready.', [], ({ camera: { health } }) =>
    one(health.algorithm?.ok),
  ),
  metric(
    'openmv_algorithm_stray_answers_total',
    'Answers that belong to no call under way.',
    ['kind'],
    ({ camera: { stats } }) =>
      stats?.algorithm ? by('kind', { ...NO_STRAYS, ...stats.algorithm.stray }) : [],
  ),
  metric('openmv_algorithm_cpu_cores', 'Processor time of its processes: 1 is one core.', [], (metered) =>
    one(lastOf(metered, 'algorithmCpu')),
  ),
  metric('openmv_algorithm_memory_bytes', 'Resident memory of its processes.', [], (metered) =>
    one(lastOf(metered, 'algorithmMemoryBytes')),
  ),
  ...fromTable(BRIDGE, (stats) => stats),
  ...fromTable(ALGORITHM, (stats) => stats.algorithm),
  ...fromTable(LINK, (stats) => stats.link),
  metric('openmv_link_naks_total', 'Requests that the camera refused.', ['status'], ({ camera: { stats } }) =>
    by('status', stats?.link.naks ?? {}),
  ),
  metric('openmv_link_round_trip_seconds', 'Smoothed round trip.', [], ({ camera: { stats } }) =>
    one(stats && stats.link.roundTripMs / 1_000),
  ),
  ...byKind(SINK, 'sink', ({ sinks }) => sinks),
  metric(
    'openmv_sink_failing',
    'Whether a destination of frames fails now.',
    ['sink'],
    ({ camera: { health, stats } }) => {
      const failing = health.failing.map(({ sink }) => sink);
      const kinds = new Set<string>([...(Object.keys(stats?.sinks ?? {}) as SinkKind[]), ...failing]);
      return [...kinds].map((sink) => [{ sink }, Number(failing.includes(sink))]);
    },
  ),
  metric(
    'openmv_broker_connected',
    'Whether there is a connection to a broker.',
    ['broker'],
    ({ camera: { stats } }) =>
      Object.entries(stats?.brokers ?? {}).map(([broker, { connected }]) => [{ broker }, Number(connected)]),
  ),
  ...byKind(BROKER, 'broker', ({ brokers }) => brokers),
];
