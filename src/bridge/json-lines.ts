/** Makes the JSON lines of a run; their forms are in line-forms.ts. */
import { errorLine } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { packageVersion } from '../package.js';
import type { BridgeEvent, BridgeStats, FrameResult } from './events.js';
import { LINE_SCHEMA, type RunLines } from './line-forms.js';

/** Microseconds are as far as times mean something. */
const rounded = (value: number, digits = 3): number => Number(value.toFixed(digits));

/** The first line of a run. */
export function startLine(runId: string): RunLines['start'] {
  return { type: 'start', timestampMs: Date.now(), schema: LINE_SCHEMA, version: packageVersion(), runId };
}

/** The JSON line of a frame. */
export function frameLine(frame: Frame): RunLines['frame'] {
  const {
    cameraId,
    sequence,
    width,
    height,
    bytes,
    crc32,
    sharedMemId,
    file,
    capturedAtMs,
    capturedErrorMs,
  } = frame;
  return {
    type: 'frame',
    timestampMs: rounded(frame.timestampMs),
    ...{ cameraId, sequence, width, height, bytes, crc32 },
    ...(capturedAtMs === undefined
      ? {}
      : { capturedAtMs: rounded(capturedAtMs), capturedErrorMs: rounded(capturedErrorMs ?? 0) }),
    ...(frame.triggerId === undefined ? {} : { triggerId: frame.triggerId }),
    sharedMemId,
    ...(file === null ? {} : { file }),
    ...(frame.data === undefined ? {} : { data: frame.data }),
  };
}

/** The JSON line of a result. */
export function resultLine(result: FrameResult): RunLines['result'] {
  const { cameraId, sequence, requestId, worker } = result;
  const { queueMs, transferMs, computeMs } = result.latency;
  const times = {
    latencyMs: rounded(result.latencyMs),
    latency: {
      queueMs: rounded(queueMs),
      transferMs: rounded(transferMs),
      computeMs: rounded(computeMs),
    },
    worker,
  };
  const common = { type: 'result', timestampMs: Date.now(), cameraId, sequence, requestId } as const;
  if (result.outcome !== 'failed') {
    const { status, resultStatus, flags, message, calibrationRects, data } = result;
    return {
      ...{ ...common, status, resultStatus, ...times, flags: [...flags] },
      ...(message === undefined ? {} : { message }),
      ...(calibrationRects === undefined ? {} : { calibrationRects: [...calibrationRects] }),
      data,
    };
  }
  const { code, message } = result.error;
  const { algorithmCode } = result;
  return {
    ...common,
    status: result.status,
    resultStatus: null,
    ...times,
    data: result.data ?? null,
    error: { code, message, ...(algorithmCode === undefined ? {} : { algorithmCode }) },
  };
}

/** The JSON line of an event. */
export function eventLine(event: BridgeEvent): object {
  const { type, runId: _runId, ...fields } = event;
  const head = { type, timestampMs: Date.now() };
  if (event.type === 'error') return errorLine(event.error, event);
  if (event.type !== 'log') return { ...head, ...fields };
  const { level, message, fields: own } = event.line;
  return {
    ...head,
    cameraId: event.cameraId,
    worker: event.worker,
    ...{ level, message },
    ...(own === undefined ? {} : { fields: own }),
  };
}

/** The JSON line of a second's figures. */
export function statsLine(stats: BridgeStats): RunLines['stats'] {
  const { algorithm, link } = stats;
  return {
    type: 'stats',
    timestampMs: Date.now(),
    ...stats,
    framesPerSecond: rounded(stats.framesPerSecond, 1),
    bytesPerSecond: Math.round(stats.bytesPerSecond),
    algorithm: algorithm && {
      ...algorithm,
      latencyMs: algorithm.latencyMs === null ? null : rounded(algorithm.latencyMs),
    },
    link: { ...link, roundTripMs: rounded(link.roundTripMs) },
  };
}
