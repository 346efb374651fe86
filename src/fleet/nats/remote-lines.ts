/** JSON lines that came from a bridge elsewhere, as what they were made of there. What is no such line is undefined. */
import { z } from 'zod';
import { type BridgeEvent, type BridgeStats, type FrameResult, runLines } from '../../bridge/index.js';
import { BridgeError, ERROR_CODES } from '../../errors.js';
import type { Frame } from '../../frames/index.js';
import { failedCall, readRects } from '../../runner/index.js';

/** A newer program may say more. */
const open = <Shape extends z.ZodRawShape>({ shape }: z.ZodObject<Shape>) => z.looseObject(shape);

const statsSchema = open(runLines.stats);
const resultSchema = open(runLines.result);
const algorithmSchema = z.looseObject({
  ...{ state: z.string(), workers: z.number(), ok: z.number(), ng: z.number(), failed: z.number() },
  ...{ skipped: z.number(), pending: z.number() },
  stray: z.record(z.string(), z.number()),
});
const eventSchema = z.discriminatedUnion('type', [
  open(runLines.connected),
  open(runLines.disconnected),
  open(runLines.dropped),
  open(runLines.skipped),
  open(runLines.recovered),
  open(runLines.stdout),
  open(runLines.pipeline),
  open(runLines.runner),
  open(runLines.log),
  open(runLines.error),
]);
const codeSchema = z.enum(ERROR_CODES).catch('INTERNAL');

export function statsOf(value: unknown): BridgeStats | undefined {
  const line = statsSchema.safeParse(value).data;
  if (!line || (line.algorithm !== null && !algorithmSchema.safeParse(line.algorithm).success))
    return undefined;
  const { type: _type, timestampMs: _time, ...stats } = line;
  return { sinks: {}, brokers: {}, ...stats } as unknown as BridgeStats;
}

export function eventOf(value: unknown, runId: string): BridgeEvent | undefined {
  const line = eventSchema.safeParse(value).data;
  if (!line) return undefined;
  const { timestampMs: _time, ...fields } = line;
  if (line.type === 'error') {
    const { cameraId = '', code, message, sink } = line;
    const error = new BridgeError(codeSchema.parse(code), message);
    return { type: 'error', runId, cameraId, error, sink } as BridgeEvent;
  }
  if (line.type === 'log') {
    const { cameraId, worker, level, message, fields: own } = line;
    return { type: 'log', runId, cameraId, worker, line: { level, message, fields: own } } as BridgeEvent;
  }
  return { ...fields, runId } as unknown as BridgeEvent;
}

/** `frame`: that the result is about, when it came. */
export function resultOf(value: unknown, runId: string, frame: Frame | undefined): FrameResult | undefined {
  const line = resultSchema.safeParse(value).data;
  if (!line) return undefined;
  const { cameraId, sequence, requestId, worker, latency, latencyMs, resultStatus, flags, message } = line;
  const about = {
    ...{ runId, cameraId, sequence, worker, latency, imageId: '' },
    timestampMs: frame?.timestampMs ?? line.timestampMs,
  };
  const data = line.data ?? {};
  if (resultStatus === null) {
    const { code, message: why = 'no verdict' } = line.error ?? {};
    return {
      ...failedCall(requestId, new BridgeError(codeSchema.parse(code), why), latencyMs, data),
      ...about,
    };
  }
  const malformed: Parameters<typeof readRects>[1] = new Set();
  const rects = (name: string) => readRects(data[name], malformed);
  const reason = data['ng_reason'];
  return {
    ...about,
    outcome: resultStatus === 'OK' ? 'ok' : 'ng',
    ...{ requestId, status: 'OK', resultStatus, latencyMs, data },
    ...(message === undefined ? {} : { message }),
    ...(typeof reason === 'string' ? { ngReason: reason } : {}),
    defectRects: rects('defect_rects') ?? [],
    positionRects: rects('position_rects') ?? [],
    calibrationRects: line.calibrationRects ?? [],
    flags: flags ?? [],
  } as unknown as FrameResult;
}
