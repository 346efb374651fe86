/** Commands beyond VizionStreamer's: figures, snapshots, scripts, several cameras, events. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { BridgeEvent } from '../bridge/events.js';
import { frameLine, logLine, resultLine } from '../bridge/json-lines.js';
import { MAX_SCRIPT_BYTES } from '../camera/script.js';
import { BridgeError } from '../errors.js';
import { writeWhole } from '../files.js';
import { type Command, command, generalCommand, success } from './command.js';
import { choice, text } from './parameters.js';

/** What can be subscribed to. */
const EVENTS = [
  'frame',
  'result',
  'stats',
  'connected',
  'disconnected',
  'dropped',
  'error',
  'stdout',
  'pipeline',
  'runner',
  'log',
] as const satisfies readonly ('frame' | 'result' | 'stats' | BridgeEvent['type'])[];
const SNAPSHOT_MS = 10_000;
const path = text(4_096);

export const ownCommands: readonly Command[] = [
  command({ name: 'get_stats', help: 'figures of the last second, and counters' }, ({ bridge, stats }) => ({
    status: 'success',
    camera: bridge.cameraId,
    streaming: bridge.streaming.active,
    fps: Math.round((stats?.framesPerSecond ?? 0) * 10) / 10,
    total_frames: stats?.delivered ?? 0,
    frame_size: stats?.frameBytes ?? 0,
    width: stats?.width ?? 0,
    height: stats?.height ?? 0,
    bytes_per_second: Math.round(stats?.bytesPerSecond ?? 0),
    dropped: stats?.dropped ?? 0,
    dropped_by_reason: stats?.droppedByReason ?? {},
    repaired: stats?.repaired ?? 0,
    pipeline: { running: bridge.streaming.pipelineRunning, ...bridge.streaming.pipelineStats },
  })),
  command(
    {
      name: 'snapshot',
      usage: '[path=FILE]',
      help: 'one frame, into a file of the bridge or as base64 in the reply',
      params: z.strictObject({ path: path.optional() }),
    },
    async ({ bridge }, { path: file }) => {
      const frame = await bridge.nextFrame(SNAPSHOT_MS);
      const { sequence, width, height, bytes, crc32, timestampMs } = frame;
      const about = { status: 'success', sequence, width, height, bytes, crc32, timestamp_ms: timestampMs };
      if (file === undefined) return { ...about, jpeg: Buffer.from(frame.jpeg).toString('base64') };
      await writeWhole('The snapshot cannot be written', file, frame.jpeg);
      return { ...about, path: file };
    },
  ),
  command(
    {
      name: 'exec_script',
      usage: 'path=FILE | script=TEXT',
      help: 'run a MicroPython script on the camera; not while streaming',
      params: z
        .strictObject({ path: path.optional(), script: text(MAX_SCRIPT_BYTES).optional() })
        .refine(({ path: file, script }) => (file === undefined) !== (script === undefined), {
          message: 'parameter "path" or "script" is needed',
        }),
    },
    async (target, { path: file, script }) => {
      const lines = script ?? (await readScript(file!));
      await target.bridge.execScript(lines);
      return success('Script started');
    },
  ),
  command(
    { name: 'stop_script', help: 'stop the script on the camera; not while streaming' },
    async (target) => {
      await target.bridge.stopScript();
      return success('Script stopped');
    },
  ),
  generalCommand({ name: 'list_cameras', help: 'the cameras of this bridge' }, (_params, { targets }) => ({
    status: 'success',
    cameras: targets.map(({ bridge }) => ({
      camera: bridge.cameraId,
      port: bridge.camera.info().port,
      connected: bridge.camera.connected,
      streaming: bridge.streaming.active,
    })),
  })),
  command(
    {
      name: 'subscribe',
      usage: `[events=${EVENTS.join(',')}]`,
      help: 'from now on a JSON line for each frame, result and other event (as with --json)',
      params: z.strictObject({
        events: z
          .preprocess(
            (events) =>
              typeof events === 'string' ? events.split(',').map((event) => event.trim()) : events,
            z.array(choice(EVENTS), `a list of ${EVENTS.join(', ')} is needed`).min(1, 'the list is empty'),
          )
          .default(['frame', 'result']),
      }),
    },
    ({ bridge }, { events }, { send, onGone }) => {
      const wanted = new Set(events);
      const offer = lossCounter(bridge.cameraId, send);
      const subscriptions = [
        bridge.frames$.subscribe((frame) => wanted.has('frame') && offer(frameLine(frame))),
        bridge.results$.subscribe((result) => wanted.has('result') && offer(resultLine(result))),
        bridge.stats$.subscribe((stats) => wanted.has('stats') && offer({ type: 'stats', ...stats })),
        bridge.events$.subscribe((event) => {
          if (!wanted.has(event.type)) return;
          if (event.type === 'log') offer(logLine(event));
          else if (event.type !== 'error') offer(event);
          else
            offer({
              type: 'error',
              cameraId: event.cameraId,
              code: event.error.code,
              message: event.error.message,
            });
        }),
      ];
      onGone(() => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      });
      return success('Subscribed');
    },
  ),
];

/** Leaves out lines while the client does not read, and tells how many before the next one that it gets. */
function lossCounter(cameraId: string, send: (line: object) => boolean): (line: object) => void {
  let lost = 0;
  return (line) => {
    if (lost > 0 && send({ type: 'lost', cameraId, count: lost })) lost = 0;
    if (lost > 0 || !send(line)) lost++;
  };
}

async function readScript(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new BridgeError('FILE_FAILED', `The script ${file} cannot be read: ${String(cause)}`, { cause });
  }
}
