/** `/api/cameras/ID/frames`: the frames in memory, as the camera sent them. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Frame } from '../../frames/index.js';
import type { RouteGroup } from '../context.js';
import { httpError } from '../failures.js';
import { RING_FRAMES } from '../frame-ring.js';
import { cameraParam, route } from '../route.js';

const params = cameraParam.extend({
  file: z
    .string()
    .regex(/^(latest|[1-9]\d{0,15})\.jpg$/, 'latest.jpg, or the sequence of a frame as in 17.jpg, is needed')
    .meta({ description: '`latest.jpg`, or a sequence as in `17.jpg`' }),
});

export const frameRoutes: RouteGroup = (app, context) => {
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/api/cameras/{camera}/frames/{file}', tag: 'frames', params },
      summary: `The latest frame, or one of the last ${RING_FRAMES}`,
      answers: { 200: { description: 'the JPEG as it came', mediaType: 'image/jpeg' } },
    },
    ({ params: { camera, file }, reply }) => {
      const watched = context.cameras.find(camera);
      const sequence = Number.parseInt(file, 10);
      const latest = Number.isNaN(sequence);
      const frame = latest ? watched.frames.latest : watched.frames.get(sequence);
      if (frame) return sendFrame(reply, frame, !latest);
      const { range } = watched.frames;
      const kept = range ? `there are ${range.first} to ${range.last}` : 'no frame has come yet';
      const what = latest ? 'no frame yet' : `no frame ${sequence} any more`;
      throw httpError('HTTP_NOT_FOUND', `There is ${what}: ${kept}.`);
    },
  );
};

/** `runId` and sequence name a frame for ever, but a sequence alone is another frame in the next run. */
export function sendFrame(reply: FastifyReply, frame: Frame, named: boolean): FastifyReply {
  reply
    .header('X-Frame-Sequence', frame.sequence)
    .header('X-Frame-Timestamp-Ms', frame.timestampMs.toFixed(3));
  if (named)
    reply.header('Cache-Control', 'private, no-cache').header('ETag', `"${frame.runId}-${frame.sequence}"`);
  return reply.type('image/jpeg').send(bytesOf(frame));
}

/** The same memory. */
export const bytesOf = ({ jpeg }: Frame): Buffer =>
  Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength);
