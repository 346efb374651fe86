/** What is to be drawn, out of a result or out of what was written down of one. */
import { z } from 'zod';
import { type CallResult, readRects } from '../runner/index.js';
import type { Annotation } from './annotate.js';

/** What is drawn for a result of the library. */
export function annotationOf(result: CallResult): Annotation {
  if (result.outcome === 'failed') return { outcome: 'failed', text: result.error.message };
  const { outcome, ngReason, defectRects, positionRects, calibrationRects } = result;
  return {
    outcome,
    text: ngReason,
    defectRects,
    ...(positionRects === undefined ? {} : { positionRects }),
    ...(calibrationRects === undefined ? {} : { calibrationRects }),
  };
}

/** A JSON line of type `result`, as the commands print it. */
export const resultLineSchema = z.looseObject({
  type: z.literal('result'),
  cameraId: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  sequence: z.number().int().min(1),
  /** The picture's path, from `algo run`. */
  file: z.string().min(1).optional(),
  resultStatus: z.enum(['OK', 'NG']).nullable(),
  data: z.record(z.string(), z.unknown()).nullish(),
  error: z.looseObject({ message: z.string() }).optional(),
});
export type ResultLine = z.infer<typeof resultLineSchema>;

/** What is drawn for such a line. */
export function annotationOfLine(line: ResultLine): Annotation {
  if (line.resultStatus === null) return { outcome: 'failed', text: line.error?.message };
  const data = line.data ?? {};
  const reason = data['ng_reason'];
  const rects = (name: string) => readRects(data[name], new Set()) ?? [];
  return {
    outcome: line.resultStatus === 'OK' ? 'ok' : 'ng',
    text: typeof reason === 'string' && reason !== '' ? reason : undefined,
    defectRects: rects('defect_rects'),
    positionRects: rects('position_rects'),
    calibrationRects: rects('calibration_rects'),
  };
}
