/** The JSON lines by which programs are told of frames and of an algorithm's results and log lines. */
import type { Frame } from '../frames/frame.js';
import type { BridgeEvent, FrameResult } from './events.js';

type LogEvent = Extract<BridgeEvent, { type: 'log' }>;

const round = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** The JSON line of a result. */
export function resultLine(result: FrameResult): object {
  const { cameraId, sequence, requestId, status, worker } = result;
  const { queueMs, transferMs, computeMs } = result.latency;
  const common = { type: 'result', cameraId, sequence, requestId, status };
  const times = {
    latencyMs: result.latencyMs,
    latency: { queueMs: round(queueMs), transferMs: round(transferMs), computeMs: round(computeMs) },
    worker,
  };
  if (result.outcome === 'failed') {
    const { code, message } = result.error;
    const { algorithmCode } = result;
    const own = algorithmCode === undefined ? {} : { algorithmCode };
    return {
      ...common,
      resultStatus: null,
      ...times,
      data: result.data ?? null,
      error: { code, message, ...own },
    };
  }
  return { ...common, resultStatus: result.resultStatus, ...times, flags: result.flags, data: result.data };
}

/** The JSON line of a line that the algorithm logged. */
export function logLine({ cameraId, line, worker }: LogEvent): object {
  const { level, message, fields } = line;
  return { type: 'log', cameraId, worker, level, message, ...(fields === undefined ? {} : { fields }) };
}

/** The JSON line of a frame. */
export function frameLine(frame: Frame): object {
  const { cameraId, sequence, width, height, bytes, crc32, timestampMs, sharedMemId } = frame;
  return { type: 'frame', cameraId, sequence, width, height, bytes, crc32, timestampMs, sharedMemId };
}
