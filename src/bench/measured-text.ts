/** What was measured, as a table for people. */
import type { Percentiles } from '../times.js';
import type { Measured } from './measure.js';

export function measuredText(measured: Measured): string {
  const rows: [what: string, figures: string][] = [
    ['frames', framesText(measured)],
    ['line', lineText(measured)],
    ['losses', lossesText(measured)],
    ['processor', processorText(measured)],
    ['between frames', timesText(measured.intervalMs)],
    ['announced to subscriber', timesText(measured.announcedToPublishedMs)],
    ['complete to subscriber', timesText(measured.completeToPublishedMs)],
    ['event loop late by', timesText(measured.eventLoopDelayMs)],
  ];
  return rows.map(([what, figures]) => `${what.padEnd(24)} ${figures}\n`).join('');
}

function framesText({ cameras, framesPerSecond, bytesPerSecond, frameBytes, ...rest }: Measured): string {
  const each = rest.framesPerSecondEach.map((rate) => rate.toFixed(1)).join(', ');
  const several = cameras > 1 ? ` (${each} of ${cameras} cameras)` : '';
  return `${framesPerSecond.toFixed(1)} frames/s${several}, ${(bytesPerSecond / 1e6).toFixed(2)} MB/s, ${(frameBytes / 1_000).toFixed(1)} KB a frame`;
}

function lineText({ requestsPerFrame, packetsPerFrame, lineOverhead, roundTripMs }: Measured): string {
  return `${requestsPerFrame.toFixed(2)} requests and ${packetsPerFrame.toFixed(1)} packets a frame, ${(100 * lineOverhead).toFixed(1)} % more bytes than the frames', round trip ${roundTripMs.toFixed(2)} ms`;
}

function lossesText({
  dropped,
  undecoded,
  repaired,
  resyncs,
  timeouts,
  retries,
  fragmentsLost,
}: Measured): string {
  return `${dropped} frames dropped, ${undecoded} not decoded, ${resyncs} resyncs, ${timeouts} timeouts, ${retries} retries, ${fragmentsLost} fragments lost, ${repaired} ranges read again`;
}

function processorText({ cpuMsPerFrame, cpuShare, busyMsPerFrame }: Measured): string {
  return `${cpuMsPerFrame.toFixed(3)} ms a frame, ${(100 * cpuShare).toFixed(1)} % of a core; event loop busy ${busyMsPerFrame.toFixed(3)} ms a frame`;
}

function timesText(times: Percentiles | null): string {
  if (!times) return 'nothing measured';
  const { p50, p99, p999, max } = times;
  const ms = (value: number): string => value.toFixed(value < 10 ? 3 : 1);
  return `p50 ${ms(p50)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, longest ${ms(max)} ms`;
}
