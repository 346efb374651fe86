/** `/metrics`: for Prometheus. */
import type { RouteGroup } from '../context.js';
import { Metrics } from '../metrics.js';
import { route } from '../route.js';

export const metricRoutes: RouteGroup = (app, context) => {
  const metrics = new Metrics(context.cameras, context.viewers);
  app.addHook('onClose', async () => metrics.close());
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/metrics', tag: 'health', summary: 'Metrics for Prometheus' },
      answers: { 200: { description: 'its text form, version 0.0.4', mediaType: 'text/plain' } },
    },
    async ({ reply }) => reply.type(metrics.contentType).send(await metrics.text()),
  );
};
