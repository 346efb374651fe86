/** Tells what a running bridge does: JSON lines for programs, a live line a second for people. */
import {
  type Bridge,
  type BridgeEvent,
  type BridgeStats,
  eventLine,
  frameLine,
  type Latency,
  resultLine,
  statsLine,
} from '../bridge/index.js';
import type { ControlServer } from '../control/index.js';
import type { BrokerHandlers } from '../fleet/index.js';
import type { CameraLog, Output } from './output.js';
import { scriptOutput } from './script-output.js';
import { VerdictReport } from './verdict-report.js';

/** How often a bridge gives its figures. */
const STATS_MS = 1_000;

/** Reasons for which frames are dropped that need more than their word. */
const REASONS: Readonly<Record<string, string>> = {
  missed: 'triggers without a frame: too many waited, or the camera had gone',
  replaced: 'the camera had a newer preview before it was read',
  pipeline: 'the pipeline was busy or did not run',
  skipped: 'given up by the script because settings changed or it waited too long, or read by another host',
};

const SOURCES = {
  preview:
    'the script has no frame channel: frames are the previews of its pictures, as the IDE shows them (--source preview)',
  frame: 'the script has a frame channel: frames come from there (--source frame)',
} as const;

export interface ReportOptions {
  readonly several: boolean;
  /** Milliseconds between two statistics; may change. */
  stats(): number | 'off';
}

/** Subscribes to everything; ends with the bridge. What it gives back knows the verdicts. */
export function reportBridge(
  bridge: Bridge,
  output: Output,
  { several, stats: every }: ReportOptions,
): VerdictReport {
  const name = several ? `${bridge.camera.id} ` : '';
  const log = output.about(bridge.cameraId, several);
  const verdicts = new VerdictReport(output, bridge.cameraId, log);
  bridge.events$.subscribe((event) => {
    if (output.json && event.type !== 'error') output.spareLine(eventLine(event));
    reportEvent(event, log, bridge.options.workers > 1, verdicts);
    // With `latest` it is normal that frames are passed over.
    if (event.type === 'skipped' && bridge.options.delivery === 'every') verdicts.skipped(event);
  });
  bridge.results$.subscribe({ next: (result) => verdicts.result(result), complete: () => verdicts.end() });
  const seconds: BridgeStats[] = [];
  const tell = (final = false): void => {
    const stats = average(seconds.splice(0));
    if (!stats) return;
    // The last ones have the totals: they are told to a reader who stalls as well.
    if (output.json && final) output.spareLine(statsLine(stats));
    else if (output.json) output.momentLine(statsLine(stats));
    else output.live(name + liveLine(stats), name);
  };
  let last: BridgeStats | undefined;
  bridge.stats$.subscribe({
    next: (stats) => {
      last = stats;
      verdicts.tick();
      if (every() !== 'off') seconds.push(stats);
      if (seconds.length * STATS_MS >= Number(every())) tell();
    },
    complete: () => {
      tell(true);
      const lacks = last && pipelineLacks(last, bridge.options.pipelineDelivery);
      if (lacks !== undefined) log('warn', lacks);
    },
  });
  if (!output.json) return verdicts;
  bridge.frames$.subscribe({
    next: (frame) => {
      output.line(frameLine(frame));
      // A reader that stalls is felt at the sensor.
      if (output.room) bridge.hold(output.room);
    },
    // `done` ends in the same error.
    error: () => undefined,
  });
  bridge.results$.subscribe((result) => {
    output.line(resultLine(result));
  });
  return verdicts;
}

/** Lines of a log that people have read already. */
const READ = new WeakSet<object>();

/** Tells people what an algorithm says while its camera is being opened. It comes again with all else, for programs. */
export function reportEarly(event: BridgeEvent, output: Output, several: boolean, workers: boolean): void {
  if (event.type !== 'log') return;
  logLine(event, output.about(event.cameraId, several), workers);
  READ.add(event.line);
}

/** The last figures, with the mean of their rates; undefined: there are none. */
function average(seconds: readonly BridgeStats[]): BridgeStats | undefined {
  const mean = (rate: 'framesPerSecond' | 'bytesPerSecond'): number =>
    seconds.reduce((sum, stats) => sum + stats[rate], 0) / seconds.length;
  const last = seconds.at(-1);
  return (
    last && { ...last, framesPerSecond: mean('framesPerSecond'), bytesPerSecond: mean('bytesPerSecond') }
  );
}

/** Adds a camera to the control socket, and its statistics as VizionStreamer prints them to stderr. */
export function attachControl(
  control: ControlServer,
  bridge: Bridge,
  output: Output,
  several: boolean,
): void {
  control.add(bridge);
  // On a terminal the live line has the same figures.
  if (process.stderr.isTTY) return;
  const log = output.about(bridge.cameraId, several);
  bridge.stats$.subscribe(({ framesPerSecond, delivered, frameBytes }) => {
    if (!bridge.streaming) return;
    log(
      'info',
      `FPS: ${Math.round(framesPerSecond)} | Total frames: ${delivered} | Frame size: ${frameBytes} bytes`,
    );
  });
}

/** Tells that a broker is away, as of a sink that fails, and that it is back. */
export function brokerReport(output: Output, sink: string): BrokerHandlers {
  return {
    failed: (cameraId, error) => output.error(error, false, 'warn', { cameraId, sink }),
    recovered: (cameraId, lost) => {
      if (output.json) output.spareLine({ type: 'recovered', timestampMs: Date.now(), cameraId, sink, lost });
      output.log('info', `${cameraId}: ${sink} works again; messages that it lacks: ${lost}`);
    },
    unsent: (cameraId, count) =>
      output.log('warn', `${cameraId}: ${count} message${count === 1 ? '' : 's'} did not reach ${sink}`),
  };
}

function reportEvent(event: BridgeEvent, log: CameraLog, workers: boolean, verdicts: VerdictReport): void {
  if (event.type === 'error') {
    verdicts.error(event.error, event.sink);
    return;
  }
  switch (event.type) {
    case 'connected':
      log(
        'info',
        `connected to ${event.cameraId} on ${event.port}: firmware ${event.firmwareVersion}, protocol ${event.protocolVersion}, ${event.maxPayload} bytes a packet, acks ${event.ack ? 'on' : 'off'}`,
      );
      break;
    case 'source':
      log('info', SOURCES[event.source]);
      break;
    case 'dropped':
      log(
        // What was latched before the connection is let go at every start, and previews are replaced at any time.
        event.reason === 'stale' || event.reason === 'replaced' ? 'info' : 'warn',
        `${event.count} frame${event.count === 1 ? '' : 's'} dropped: ${REASONS[event.reason] ?? event.reason}`,
      );
      break;
    case 'recovered':
      log('info', `${event.sink}: works again; frames that it lacks: ${event.lost}`);
      break;
    case 'disconnected':
      log('error', `disconnected: ${event.message}`, { code: event.code });
      break;
    case 'stdout': {
      const { text, stopped } = scriptOutput(event.text);
      if (stopped) log('info', 'camera: the script that ran was stopped', { source: 'camera' });
      if (text !== '') log('info', `camera: ${text}`, { source: 'camera' });
      break;
    }
    case 'pipeline':
      log('warn', `pipeline: ${event.text}`, { source: 'pipeline' });
      break;
    case 'runner':
      verdicts.state(event.state);
      break;
    case 'log':
      if (!READ.has(event.line)) logLine(event, log, workers);
  }
}

function logLine(
  { line: { level, message, fields }, worker }: Extract<BridgeEvent, { type: 'log' }>,
  log: CameraLog,
  workers: boolean,
): void {
  log(level, `algorithm${workers ? ` ${worker}` : ''}: ${message}`, { source: 'algorithm', fields });
}

/** What became of the frames at the pipeline, when it lacks some. */
function pipelineLacks({ sinks: { pipeline } }: BridgeStats, delivery: string): string | undefined {
  if (pipeline === undefined || pipeline.skipped === 0) return undefined;
  const all = pipeline.written + pipeline.skipped;
  const advice = delivery === 'every' ? '' : ' With --pipeline-delivery every the sensor waits for it.';
  return `the pipeline took ${pipeline.written} of ${all} frames; it was busy or did not run for ${pipeline.skipped}.${advice}`;
}

const latencyText = ({ p50, p99 }: Latency): string => `${p50.toFixed(1)} ms (p99 ${p99.toFixed(1)})`;

function liveLine(stats: BridgeStats): string {
  const parts = [
    `${stats.framesPerSecond.toFixed(1).padStart(6)} frames/s`,
    `${(stats.bytesPerSecond / 1e6).toFixed(2).padStart(6)} MB/s`,
    ...(stats.frameBytes > 0
      ? [`${stats.width}x${stats.height} ${(stats.frameBytes / 1024).toFixed(1)} KB`]
      : []),
    `delivered ${stats.delivered}`,
    `dropped ${stats.dropped}`,
  ];
  const { delivered, result } = stats.latencyMs;
  if (delivered) parts.push(`from capture ${latencyText(delivered)}`);
  const { pipeline } = stats.sinks;
  if (pipeline && pipeline.skipped > 0) parts.push(`pipeline dropped ${pipeline.skipped}`);
  const { algorithm } = stats;
  if (algorithm) {
    const failed = algorithm.failed > 0 ? ` failed ${algorithm.failed}` : '';
    const skipped = algorithm.skipped > 0 ? ` skipped ${algorithm.skipped}` : '';
    parts.push(
      algorithm.state === 'failed'
        ? 'algorithm failed'
        : `algorithm OK ${algorithm.ok} NG ${algorithm.ng}${failed}${skipped}`,
    );
    const stray = Object.values(algorithm.stray).reduce((sum, count) => sum + count, 0);
    if (stray > 0) parts.push(`stray answers ${stray}`);
    if (algorithm.latencyMs !== null) parts.push(`latency ${algorithm.latencyMs.toFixed(1)} ms`);
    if (result) parts.push(`capture to result ${latencyText(result)}`);
  }
  return parts.join(' | ');
}
