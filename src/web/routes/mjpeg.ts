/** `/stream.mjpg`: frames one after the other, for an `<img>`. */

import type { Frame } from '../../frames/index.js';
import { COMMON_HEADERS } from '../access.js';
import type { RouteGroup } from '../context.js';
import { cameraQuery, route } from '../route.js';
import { bytesOf } from './frames.js';

const BOUNDARY = 'openmv-frame';

export const mjpegRoutes: RouteGroup = (app, context) => {
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/stream.mjpg', tag: 'frames', query: cameraQuery },
      summary: 'Frames as they come; a slow viewer gets fewer, the newest each time',
      answers: {
        200: { description: 'JPEGs', mediaType: `multipart/x-mixed-replace; boundary=${BOUNDARY}` },
      },
    },
    ({ query, request, reply }) => {
      const { bridge, frames } = context.cameras.find(query.camera);
      context.viewers.check();
      reply.hijack();
      const { raw } = reply;
      // As cameras on the network send it: many readers of such streams know no chunks.
      raw.useChunkedEncodingByDefault = false;
      raw.writeHead(200, {
        ...COMMON_HEADERS,
        'Content-Type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
        Connection: 'close',
      });
      let next: Frame | undefined;
      let busy = false;
      const send = (frame: Frame): void => {
        // The boundary behind each frame: browsers show it when they see that.
        raw.cork();
        raw.write(
          `Content-Type: image/jpeg\r\nContent-Length: ${frame.bytes}\r\nX-Frame-Sequence: ${frame.sequence}\r\n\r\n`,
        );
        raw.write(bytesOf(frame));
        // Taken by the system: until then a newer frame takes the place of the one that waits.
        raw.write(`\r\n--${BOUNDARY}\r\n`, () => {
          busy = false;
          const newer = next;
          next = undefined;
          if (newer) send(newer);
        });
        busy = true;
        raw.uncork();
      };
      const offer = (frame: Frame): void => {
        if (busy) next = frame;
        else send(frame);
      };
      const end = (): void => {
        next = undefined;
        raw.end();
      };
      // Its socket's end is what counts.
      raw.on('error', () => undefined);
      raw.write(`--${BOUNDARY}\r\n`);
      const subscription = bridge.frames$.subscribe({
        next: offer,
        error: end,
        complete: end,
      });
      context.viewers.add({
        socket: request.raw.socket,
        gone: () => {
          next = undefined;
          subscription.unsubscribe();
        },
      });
      if (frames.latest && !raw.writableEnded) offer(frames.latest);
    },
  );
};
