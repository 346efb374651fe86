/** `/api/cameras/ID/results`: the last results, and the frames of NG ones. */
import { z } from 'zod';
import type { RouteGroup } from '../context.js';
import { httpError } from '../failures.js';
import { type Judged, judgedSchema, keyOf } from '../judged.js';
import { RECENT } from '../results.js';
import { cameraParam, route } from '../route.js';
import type { WatchedCamera } from '../watched-camera.js';

const MOST = 1_000;

const query = z.object({
  outcome: z
    .string()
    .regex(/^(ok|ng|failed)(,(ok|ng|failed))*$/, 'ok, ng, failed, or several with commas, are needed')
    .optional()
    .meta({ description: '`ng`, or several as in `ng,failed`' }),
  reason: z
    .string()
    .max(2_000)
    .optional()
    .meta({ description: 'exactly that reason; empty: none was given' }),
  kept: z.stringbool().optional().meta({ description: 'true: only NG results whose frames are kept' }),
  beforeMs: z.coerce
    .number()
    .optional()
    .meta({ description: 'only frames before that time, Unix milliseconds' }),
  limit: z.coerce.number().int().min(1).max(MOST).default(100),
});

const answerSchema = z.object({
  cameraId: z.string(),
  counts: z
    .object({ ok: z.int(), ng: z.int(), failed: z.int(), skipped: z.int() })
    .meta({ description: 'of all frames since the start' }),
  yield: z.number().nullable().meta({ description: 'ok / (ok + ng); null: there was no verdict' }),
  reasons: z.record(z.string(), z.int()).meta({
    description: 'of the NG and failed results that are known: how many by reason; empty: none was given',
  }),
  results: z
    .array(
      judgedSchema.extend({
        picture: z
          .string()
          .nullable()
          .meta({ description: 'address of the frame; null: it is not kept any more' }),
      }),
    )
    .meta({ description: 'newest first' }),
});

const pictureParams = cameraParam.extend({
  file: z
    .string()
    .regex(/^[\w-]{1,64}\.jpg$/, 'the key of a result and .jpg is needed')
    .meta({ description: '`key` of a result and `.jpg`' }),
});

export const resultRoutes: RouteGroup = (app, context) => {
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/api/cameras/{camera}/results', tag: 'results', params: cameraParam, query },
      summary: `The last ${RECENT} results and the NG ones that are kept`,
      answers: { 200: { description: 'the results', schema: answerSchema } },
    },
    ({ params, query: { outcome, limit, ...filter } }): z.input<typeof answerSchema> => {
      const camera = context.cameras.find(params.camera);
      const { counts } = camera.results;
      const verdicts = counts.ok + counts.ng;
      const found = camera.results.list({ ...filter, limit, outcomes: outcome?.split(',') });
      return {
        ...{
          cameraId: camera.id,
          counts: { ...counts },
          yield: verdicts === 0 ? null : counts.ok / verdicts,
        },
        reasons: camera.results.reasons(filter.kept),
        results: found.map((one) => ({ ...one, picture: pictureOf(camera, one) })),
      };
    },
  );
  route(
    app,
    context,
    {
      ...{
        method: 'GET',
        path: '/api/cameras/{camera}/results/{file}',
        tag: 'results',
        params: pictureParams,
      },
      summary: 'The frame of a result',
      answers: { 200: { description: 'the JPEG as it came', mediaType: 'image/jpeg' } },
    },
    async ({ params, reply }) => {
      const camera = context.cameras.find(params.camera);
      const key = params.file.slice(0, -'.jpg'.length);
      const jpeg = (await camera.results.kept.jpeg(key)) ?? inMemory(camera, key)?.jpeg;
      if (!jpeg) throw httpError('HTTP_NOT_FOUND', 'The frame of that result is not kept, or not any more.');
      // A key names one frame for ever.
      reply.header('Cache-Control', 'private, max-age=86400, immutable').type('image/jpeg');
      return reply.send(Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength));
    },
  );
};

function pictureOf(camera: WatchedCamera, { key }: Judged): string | null {
  if (!camera.results.kept.has(key) && !inMemory(camera, key)) return null;
  return `/api/cameras/${encodeURIComponent(camera.id)}/results/${key}.jpg`;
}

function inMemory(camera: WatchedCamera, key: string) {
  const frame = camera.frames.get(Number(key.split('-').at(-1)));
  return frame && keyOf(frame.runId, frame.sequence) === key ? frame : undefined;
}
