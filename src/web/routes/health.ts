/** `/healthz`: the program runs; `/readyz`: cameras stream and algorithms are ready. */
import { z } from 'zod';
import type { RouteGroup } from '../context.js';
import { route } from '../route.js';

const readySchema = z.object({
  ready: z.boolean(),
  reasons: z
    .array(z.object({ camera: z.string(), code: z.string(), message: z.string() }))
    .meta({ description: 'why it is not; `camera` is its id, or the port of one that has not come' }),
});

export const healthRoutes: RouteGroup = (app, context) => {
  const { cameras } = context;
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/healthz', tag: 'health', summary: 'Whether the program runs', open: true },
      answers: { 200: { description: 'it does', schema: z.object({ status: z.literal('ok') }) } },
    },
    () => ({ status: 'ok' }),
  );
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/readyz', tag: 'health' },
      summary: 'Whether every camera streams, and every algorithm is ready and gives verdicts',
      answers: {
        200: { description: 'all is well', schema: readySchema },
        503: { description: 'something is not, and why', schema: readySchema },
      },
    },
    ({ reply }): z.input<typeof readySchema> => {
      const reasons = [
        ...cameras.missing.map(({ port, code, message }) => ({ camera: port, code, message })),
        ...cameras.all.flatMap(({ id, health }) => health.reasons.map((one) => ({ camera: id, ...one }))),
      ];
      if (cameras.all.length === 0 && reasons.length === 0) {
        reasons.push({ camera: '', code: 'opening', message: 'No camera is connected yet.' });
      }
      if (reasons.length > 0) reply.code(503);
      return { ready: reasons.length === 0, reasons };
    },
  );
};
