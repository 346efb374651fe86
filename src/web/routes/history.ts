/** `/api/cameras/ID/history`: figures of the last ten minutes. */
import { z } from 'zod';
import type { RouteGroup } from '../context.js';
import { INTERVAL_MS, SPAN_MS } from '../history.js';
import { cameraParam, route } from '../route.js';

const query = z.object({
  sinceMs: z.coerce
    .number()
    .min(0)
    .optional()
    .meta({ description: 'only samples after that time, Unix milliseconds' }),
});

const answerSchema = z.object({
  cameraId: z.string(),
  runId: z.string().meta({ description: 'new at each start: samples of another run do not belong to these' }),
  intervalMs: z.number(),
  spanMs: z.number().meta({ description: 'no sample is older' }),
  timeMs: z.array(z.number()).meta({ description: 'when each sample was taken, Unix milliseconds' }),
  series: z.record(z.string(), z.array(z.number().nullable())).meta({
    description:
      'by name, a value for each time, null where there was nothing to measure: framesPerSecond, bytesPerSecond, deliveredP50Ms, deliveredP99Ms (capture to delivery), resultP50Ms, resultP99Ms (arrival to result), fromCaptureP50Ms, fromCaptureP99Ms (capture to result, of the last minute), dropped.REASON, resyncs, ok, ng, failed, skipped (each of that second), bridgeCpu, algorithmCpu (1: one core), bridgeMemoryBytes, algorithmMemoryBytes',
  }),
});

export const historyRoutes: RouteGroup = (app, context) => {
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/api/cameras/{camera}/history', tag: 'cameras', params: cameraParam, query },
      summary: 'Figures of the last ten minutes, once a second',
      answers: { 200: { description: 'the samples, oldest first', schema: answerSchema } },
    },
    ({ params, query: { sinceMs } }): z.input<typeof answerSchema> => {
      const camera = context.cameras.find(params.camera);
      return {
        ...{ cameraId: camera.id, runId: context.runId, intervalMs: INTERVAL_MS, spanMs: SPAN_MS },
        ...camera.history.columns(sinceMs),
      };
    },
  );
};
