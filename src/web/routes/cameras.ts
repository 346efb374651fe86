/** `/api/cameras`: what is there and how it is, in words and figures. */
import { z } from 'zod';
import { runLines, statsLine } from '../../bridge/index.js';
import type { RouteGroup } from '../context.js';
import { cameraParam, route } from '../route.js';
import type { WatchedCamera } from '../watched-camera.js';

const time = z.number().meta({ description: 'Unix milliseconds' });
const condition = z.object({
  state: z.string().meta({ description: 'for programs: the name of the state' }),
  ok: z.boolean(),
  sinceMs: time,
  text: z.string().meta({ description: 'the state in words' }),
  advice: z.string().nullable().meta({ description: 'what to do; null: nothing' }),
});
const note = z.object({ timeMs: time, code: z.string(), message: z.string() });

const summarySchema = z.object({
  id: z.string(),
  port: z.string(),
  camera: condition.meta({
    description:
      'state: opening, preparing, streaming, still (connected, and no frame for 5 s), paused, reconnecting or closed',
  }),
  algorithm: condition
    .extend({ log: z.array(z.string()).meta({ description: 'the last lines of its log' }) })
    .nullable()
    .meta({ description: 'null: there is none. state: ready, starting, loading, restarting, failed ...' }),
  streaming: z.boolean().meta({ description: 'frames are wanted' }),
  frames: z
    .object({ first: z.int(), last: z.int() })
    .nullable()
    .meta({ description: 'sequences of the frames in memory; null: none has come' }),
  failing: z
    .array(note.extend({ sink: z.string() }))
    .meta({ description: 'what frames go to and fails now, such as files on a full disk' }),
});

const detailSchema = summarySchema.extend({
  info: z
    .object({
      firmwareVersion: z.string(),
      protocolVersion: z.string(),
      maxPayload: z.int(),
      acks: z.boolean(),
    })
    .nullable()
    .meta({ description: 'null: never connected' }),
  stats: runLines.stats.nullable().meta({ description: 'the figures of the last second' }),
  script: z.object({
    running: z.boolean().nullable().meta({ description: 'null: the camera does not say' }),
    output: z.string().meta({ description: 'the last 16 KiB of what it printed' }),
  }),
  pipeline: z.object({ text: z.string().nullable(), running: z.boolean(), error: z.string().nullable() }),
  segment: z.object({ name: z.string(), size: z.int() }).nullable(),
  errors: z.array(note).meta({ description: 'the last 20, latest last' }),
});

const listSchema = z.object({
  cameras: z.array(summarySchema),
  waiting: z
    .array(z.object({ port: z.string(), sinceMs: time, code: z.string(), message: z.string() }))
    .meta({ description: 'cameras that were asked for and have not come, and why' }),
});

export const cameraRoutes: RouteGroup = (app, context) => {
  const { cameras, commands } = context;
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/api/cameras', tag: 'cameras', summary: 'The cameras and how they are' },
      answers: { 200: { description: 'the cameras', schema: listSchema } },
    },
    (): z.input<typeof listSchema> => ({ cameras: cameras.all.map(summary), waiting: [...cameras.missing] }),
  );
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/api/cameras/{camera}', tag: 'cameras' },
      summary: 'One camera: state, figures, script, algorithm',
      params: cameraParam,
      answers: { 200: { description: 'the camera', schema: detailSchema } },
    },
    ({ params }) => {
      const watched = cameras.find(params.camera);
      return detail(watched, () => commands.outputOf(watched.bridge));
    },
  );
};

function summary(watched: WatchedCamera): z.input<typeof summarySchema> {
  const { bridge, health, frames } = watched;
  const { algorithm } = health;
  return {
    ...{ id: watched.id, port: bridge.options.port },
    camera: health.camera,
    algorithm: algorithm && { ...algorithm, log: [...algorithm.log] },
    ...{ streaming: bridge.streaming, frames: frames.range, failing: [...health.failing] },
  };
}

async function detail(watched: WatchedCamera, output: () => string): Promise<z.input<typeof detailSchema>> {
  const { bridge, stats, health } = watched;
  const { pipeline, segment } = bridge;
  const { version, link } = bridge.camera.info();
  return {
    ...summary(watched),
    info: {
      firmwareVersion: version.firmware.join('.'),
      protocolVersion: version.protocol.join('.'),
      ...{ maxPayload: link.maxPayload, acks: link.ack },
    },
    stats: stats ? statsLine(stats) : null,
    script: { running: await watched.scriptRuns(), output: output() },
    pipeline: { text: pipeline.text, running: pipeline.running, error: pipeline.error?.message ?? null },
    segment: segment && { name: segment.name, size: segment.size },
    errors: [...health.errors],
  };
}
