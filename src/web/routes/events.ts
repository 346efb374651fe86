/** `/events`: the JSON lines of a run as server-sent events. */
import { z } from 'zod';
import { startLine } from '../../bridge/index.js';
import { COMMON_HEADERS } from '../access.js';
import type { RouteGroup } from '../context.js';
import { EventFeed, type FeedLine } from '../event-feed.js';
import { cameraQuery, route } from '../route.js';

const HEARTBEAT_MS = 10_000;
/** How long a client waits before it comes again. */
const RETRY_MS = 1_000;
/** Bytes that wait for a client, beyond which lines are left out. */
const MOST_WAITING = 1024 * 1024;

const query = cameraQuery.extend({
  camera: cameraQuery.shape.camera.meta({ description: 'id of a camera; without one, all of them' }),
  types: z
    .string()
    .max(512)
    .optional()
    .meta({ description: 'which lines, as in `result,skipped,stats`; without it, all of them' }),
});

export const eventRoutes: RouteGroup = (app, context) => {
  const feed = new EventFeed(context.cameras);
  app.addHook('onClose', async () => feed.close());
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/events', tag: 'events', query },
      summary: 'The JSON lines (docs/json-lines.md) as server-sent events, with ids and Last-Event-ID',
      answers: { 200: { description: 'a line each', mediaType: 'text/event-stream' } },
    },
    ({ query: { camera, types }, request, reply }) => {
      const wantedCamera = camera === undefined ? undefined : context.cameras.find(camera).id;
      const wantedTypes = types === undefined ? undefined : new Set(types.split(','));
      context.viewers.check();
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, { ...COMMON_HEADERS, 'Content-Type': 'text/event-stream', Connection: 'close' });
      // Its socket's end is what counts.
      raw.on('error', () => undefined);
      // A client of an earlier run gets all that is kept.
      const [run, number] = String(request.headers['last-event-id'] ?? '').split('.');
      const run36 = context.runId.slice(0, 8);
      const seen = run === run36 ? Number(number) : run ? 0 : undefined;
      let lost = 0;
      const write = (type: string, text: string, id: number): void => {
        raw.write(`id: ${run36}.${id}\nevent: ${type}\ndata: ${text}\n\n`);
      };
      const take = (line: FeedLine): void => {
        if (wantedCamera !== undefined && line.cameraId !== wantedCamera) return;
        if (wantedTypes && !wantedTypes.has(line.type)) return;
        if (raw.writableLength > MOST_WAITING) {
          lost++;
          return;
        }
        if (lost > 0) {
          const about = { type: 'lost', timestampMs: Date.now(), count: lost };
          write('lost', JSON.stringify(about), line.id - 1);
          lost = 0;
        }
        write(line.type, line.text(), line.id);
      };
      raw.write(`retry: ${RETRY_MS}\n`);
      write('start', JSON.stringify(startLine(context.runId)), seen ?? feed.last);
      if (seen !== undefined && !Number.isNaN(seen)) for (const line of feed.since(seen)) take(line);
      const stop = feed.listen(take);
      const beat = setInterval(() => raw.writableLength === 0 && raw.write(':\n\n'), HEARTBEAT_MS);
      context.viewers.add({
        socket: request.raw.socket,
        gone: () => {
          clearInterval(beat);
          stop();
        },
      });
    },
  );
};
