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
    ({ query, reply }) => {
      const { bridge, frames } = context.cameras.find(query.camera);
      context.viewers.check();
      reply.hijack();
      const { raw } = reply;
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
        else if (!raw.destroyed) send(frame);
      };
      raw.write(`--${BOUNDARY}\r\n`);
      const subscription = bridge.frames$.subscribe({
        next: offer,
        error: () => raw.destroy(),
        complete: () => raw.end(),
      });
      context.viewers.add({ socket: raw.socket!, gone: () => subscription.unsubscribe() });
      if (frames.latest) offer(frames.latest);
    },
  );
};
