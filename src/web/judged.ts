/** A result as the page and its clients get it: what the algorithm said of one frame, bounded in size. */
import { z } from 'zod';
import type { FrameResult } from '../bridge/index.js';

const MOST_RECTS = 100;
const LONGEST_TEXT = 2_000;

const rects = (description: string) => z.array(z.looseObject({}).meta({ description })).meta({ description });

export const judgedSchema = z.object({
  key: z.string().meta({ description: 'names the result in addresses, for ever' }),
  cameraId: z.string(),
  sequence: z.int().meta({ description: 'the frame' }),
  timestampMs: z.number().meta({ description: "the frame's, Unix milliseconds" }),
  outcome: z.enum(['ok', 'ng', 'failed']),
  reason: z
    .string()
    .nullable()
    .meta({ description: "an NG's reason, or the error's name; null: none was given" }),
  message: z.string().nullable(),
  flags: z.array(z.string()).meta({ description: 'what is odd about a verdict' }),
  defectRects: rects('in pixels of the frame: x, y, width, height, label, score'),
  positionRects: rects('the same, where parts were found'),
  calibrationRects: rects('the same, of the calibration'),
  latencyMs: z.number().meta({ description: 'from the call to its result' }),
  totalMs: z.number().meta({ description: "from the frame's arrival to its result" }),
  worker: z.int(),
});
export type Judged = z.infer<typeof judgedSchema>;

export function judgedOf(result: FrameResult): Judged {
  const { runId, cameraId, sequence, timestampMs, outcome, latency, worker } = result;
  const failed = result.outcome === 'failed';
  const cut = (text: string | undefined): string | null => text?.slice(0, LONGEST_TEXT) ?? null;
  const some = <T>(list: readonly T[] = []): T[] => list.slice(0, MOST_RECTS);
  return {
    ...{ key: keyOf(runId, sequence), cameraId, sequence, timestampMs, outcome },
    reason: cut(failed ? (result.algorithmCode?.name ?? result.error.code) : result.ngReason),
    message: cut(failed ? result.error.message : result.message),
    flags: failed ? [] : [...result.flags],
    defectRects: failed ? [] : some(result.defectRects),
    positionRects: failed ? [] : some(result.positionRects),
    calibrationRects: failed ? [] : some(result.calibrationRects),
    latencyMs: result.latencyMs,
    totalMs: latency.queueMs + latency.transferMs + latency.computeMs,
    worker,
  };
}

/** Runs have different ids: the key of a frame never means another one. */
export const keyOf = (runId: string, sequence: number): string => `${runId.slice(0, 8)}-${sequence}`;
