/** `/ws`: frames with results, one for each `ready` of the client; the newest wins. */
import { z } from 'zod';
import type { RouteGroup } from '../context.js';
import { judgedOf } from '../judged.js';
import { follow, type Picture } from '../picture-choice.js';
import { cameraQuery, socketRoute } from '../route.js';

/** A client that does not answer a ping within this time has gone. */
const PING_MS = 10_000;
/** Close codes of RFC 6455: the server goes away; the client says what it should not. */
const GOING_AWAY = 1001;
const NOT_ALLOWED = 1008;
const TRY_LATER = 1013;

const query = cameraQuery.extend({
  show: z.enum(['live', 'judged']).optional().meta({
    description:
      '`live`: frames as they come; `judged`: with the outcome of exactly that frame. Default: judged where there is an algorithm',
  }),
});

export const socketRoutes: RouteGroup = (app, context) => {
  socketRoute(
    app,
    context,
    {
      ...{ method: 'GET', path: '/ws', tag: 'frames', query },
      summary: 'A WebSocket with frames and results in binary messages; the client sends `ready` for each',
      answers: { 101: { description: 'docs/http.md has the form of the messages' } },
    },
    ({ query: { camera } }) => {
      context.cameras.find(camera);
      context.viewers.check();
    },
    ({ query: { camera, show }, request, socket }) => {
      // Others may have come, and the camera may have gone, while the connection was upgraded.
      try {
        context.viewers.check();
        context.cameras.find(camera);
      } catch {
        socket.close(TRY_LATER);
        return;
      }
      const watched = context.cameras.find(camera);
      const { bridge, frames } = watched;
      const judged = bridge.options.runner !== undefined;
      const shown = judged ? (show ?? 'judged') : 'live';
      let next: Picture | undefined;
      let ready = false;
      let busy = false;
      const send = (): void => {
        if (!ready || busy || !next || socket.readyState !== socket.OPEN) return;
        const { frame } = next;
        const head = headOf(next);
        ready = false;
        busy = true;
        next = undefined;
        // Two fragments of one message: the frame's bytes are not copied.
        socket.send(head, { fin: false, binary: true });
        socket.send(frame.jpeg, { fin: true, binary: true }, () => {
          busy = false;
          send();
        });
      };
      const subscription = follow(
        bridge,
        shown,
        (picture) => {
          next = picture;
          send();
        },
        () => socket.close(GOING_AWAY),
      );
      const first = shown === 'judged' ? watched.judged : undefined;
      if (first) next = { frame: first.frame, outcome: first };
      else if (frames.latest) next = { frame: frames.latest, outcome: undefined };
      let alive = true;
      const ping = setInterval(() => {
        if (!alive) socket.terminate();
        else socket.ping();
        alive = false;
      }, PING_MS);
      socket.on('pong', () => {
        alive = true;
      });
      socket.on('message', (data, binary) => {
        if (binary || data.toString() !== 'ready') {
          socket.close(NOT_ALLOWED, 'the only message is: ready');
          return;
        }
        ready = true;
        send();
      });
      socket.on('error', () => socket.terminate());
      context.viewers.add({
        socket: request.raw.socket,
        gone: () => {
          clearInterval(ping);
          subscription.unsubscribe();
        },
      });
    },
  );
};

/** The length of the JSON header (u32, little-endian) and the header; the JPEG comes behind it. */
function headOf({ frame, outcome }: Picture): Buffer {
  const { cameraId, sequence, width, height, bytes, timestampMs } = frame;
  const header = {
    ...{ type: 'frame', cameraId, sequence, width, height, bytes, timestampMs },
    outcome: outcome?.outcome ?? null,
    ...(outcome && outcome.outcome !== 'skipped' ? { result: judgedOf(outcome.result) } : {}),
    ...(outcome?.outcome === 'skipped' ? { reason: outcome.reason } : {}),
  };
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json]);
}
