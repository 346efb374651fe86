/** Measures running bridges: rates, latencies, what of the processor and of the line they need. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pause } from '../async.js';
import type { Bridge } from '../bridge/index.js';
import type { Frame } from '../frames/index.js';
import { type Percentiles, Times } from '../times.js';
import { CameraMeter, type LinkRise, type RunTimes } from './camera-meter.js';

export interface MeasureOptions {
  /** Milliseconds in which frames come and nothing is counted. */
  readonly warmUpMs?: number;
  /** Milliseconds that are measured. */
  readonly durationMs?: number;
  /** Ends the measuring early: what was measured by then is the result. */
  readonly signal?: AbortSignal;
  /** Unix milliseconds at which a frame was captured, for a caller who knows. */
  readonly capturedAtMs?: (frame: Frame) => number | undefined;
  /** Called when the measured time begins, and when it is over: for counters of the caller's own. */
  readonly begins?: () => void;
  readonly ends?: () => void;
}

/** What was measured; times in milliseconds. */
export interface Measured {
  readonly cameras: number;
  readonly seconds: number;
  /** Delivered, of all cameras. */
  readonly frames: number;
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Mean size of a frame. */
  readonly frameBytes: number;
  /** Of each camera, in their order. */
  readonly framesPerSecondEach: readonly number[];
  /** Captured and not delivered. */
  readonly dropped: number;
  /** Delivered, and missing among the pixels in shared memory: a newer one came first. */
  readonly undecoded: number;
  /** Ranges of frames that were read again. */
  readonly repaired: number;
  readonly requestsPerFrame: number;
  /** Sent and received. */
  readonly packetsPerFrame: number;
  /** Bytes on the line beside the frames' own, as a share of these. */
  readonly lineOverhead: number;
  readonly resyncs: number;
  readonly timeouts: number;
  /** Requests sent again. */
  readonly retries: number;
  readonly fragmentsLost: number;
  /** Smoothed, of the first camera; 0: not measured. */
  readonly roundTripMs: number;
  /** Of all threads of this process. */
  readonly cpuMsPerFrame: number;
  /** Of one core. */
  readonly cpuShare: number;
  /** Time in which the event loop was not idle. */
  readonly busyMsPerFrame: number;
  readonly intervalMs: Percentiles | null;
  readonly announcedToPublishedMs: Percentiles | null;
  readonly completeToPublishedMs: Percentiles | null;
  readonly captureToPublishedMs: Percentiles | null;
  /** How late the event loop came to a timer, beyond the millisecond that timers are apart. */
  readonly eventLoopDelayMs: Percentiles | null;
}

const NS_PER_MS = 1e6;
const WARM_UP_MS = 1_000;
const DURATION_MS = 10_000;

/**
 * Lets open bridges pull frames for a while. They stay open. Ends in what ends one of them, also in CHANNEL_MISSING when
 * one has no frame channel.
 */
export async function measureBridges(
  bridges: readonly Bridge[],
  {
    warmUpMs = WARM_UP_MS,
    durationMs = DURATION_MS,
    signal,
    capturedAtMs,
    begins,
    ends,
  }: MeasureOptions = {},
): Promise<Measured> {
  const times: RunTimes = {
    interval: new Times(),
    announcedToPublished: new Times(),
    completeToPublished: new Times(),
    captureToPublished: new Times(),
  };
  const ids = await Promise.all(bridges.map(({ camera, options }) => camera.channel(options.channel).id()));
  const meters = bridges.map((bridge, index) => new CameraMeter(bridge, ids[index]!, times, capturedAtMs));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const over = Promise.race([new Promise<never>(() => undefined), ...bridges.map(({ done }) => done)]);
  try {
    await Promise.all(bridges.map((bridge) => bridge.start()));
    await waited(warmUpMs, over, signal);
    for (const one of Object.values(times)) one.reset();
    for (const meter of meters) meter.begin();
    begins?.();
    delay.enable();
    const loop = performance.eventLoopUtilization();
    const cpu = process.cpuUsage();
    const start = performance.now();
    await waited(durationMs, over, signal);
    const seconds = (performance.now() - start) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    const busyMs = performance.eventLoopUtilization(loop).active;
    ends?.();
    return report(meters, times, { seconds, cpuMs: (user + system) / 1_000, busyMs }, delay);
  } finally {
    delay.disable();
    for (const meter of meters) meter.close();
  }
}

/** Resolves early when aborted, or when a bridge is over; rejects with what ended it. */
async function waited(ms: number, over: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const end = new AbortController();
  const stop = (): void => end.abort();
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  try {
    await Promise.race([over, pause(ms, end.signal)]);
  } catch (error) {
    if (!end.signal.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    end.abort();
  }
}

interface Used {
  readonly seconds: number;
  readonly cpuMs: number;
  readonly busyMs: number;
}

function report(
  meters: readonly CameraMeter[],
  times: RunTimes,
  { seconds, cpuMs, busyMs }: Used,
  delay: ReturnType<typeof monitorEventLoopDelay>,
): Measured {
  const ended = meters.map((meter) => meter.end());
  const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
  const line = (name: keyof LinkRise): number => sum(ended.map(({ link }) => link[name]));
  const frames = sum(meters.map((meter) => meter.frames));
  const bytes = sum(meters.map((meter) => meter.bytes));
  const each = (total: number): number => (frames === 0 ? 0 : total / frames);
  return {
    cameras: meters.length,
    seconds,
    frames,
    framesPerSecond: frames / seconds,
    bytesPerSecond: bytes / seconds,
    frameBytes: each(bytes),
    framesPerSecondEach: meters.map((meter) => meter.frames / seconds),
    dropped: sum(ended.map(({ dropped }) => dropped)),
    undecoded: sum(ended.map(({ undecoded }) => undecoded)),
    repaired: sum(ended.map(({ repaired }) => repaired)),
    requestsPerFrame: each(line('requests')),
    packetsPerFrame: each(line('packetsSent') + line('packetsReceived')),
    lineOverhead: bytes === 0 ? 0 : line('bytesReceived') / bytes - 1,
    resyncs: line('resyncs'),
    timeouts: line('timeouts'),
    retries: line('retries'),
    fragmentsLost: line('fragmentsLost'),
    roundTripMs: meters[0]?.bridge.camera.stats().roundTripMs ?? 0,
    cpuMsPerFrame: each(cpuMs),
    cpuShare: cpuMs / (seconds * 1_000),
    busyMsPerFrame: each(busyMs),
    intervalMs: times.interval.percentiles,
    announcedToPublishedMs: times.announcedToPublished.percentiles,
    completeToPublishedMs: times.completeToPublished.percentiles,
    captureToPublishedMs: times.captureToPublished.percentiles,
    eventLoopDelayMs: delayOf(delay),
  };
}

/** The histogram has the whole time between two timers, a millisecond of which was asked for. */
function delayOf(delay: ReturnType<typeof monitorEventLoopDelay>): Percentiles | null {
  if (delay.count === 0) return null;
  const late = (ns: number): number => Math.max(0, ns / NS_PER_MS - 1);
  const at = (percent: number): number => late(delay.percentile(percent));
  return { p50: at(50), p99: at(99), p999: at(99.9), max: late(delay.max) };
}
