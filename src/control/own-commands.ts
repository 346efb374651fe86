/** Commands beyond VizionStreamer's: figures, snapshots, scripts, several cameras, events. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { firstValueFrom, timeout } from 'rxjs';
import { z } from 'zod';
import { frameLine, logLine, resultLine } from '../bridge/json-lines.js';
import { MAX_SCRIPT_BYTES } from '../camera/script.js';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';
import { type Command, command, generalCommand, success, type Target } from './command.js';
import { text } from './parameters.js';

const SNAPSHOT_MS = 10_000;
const path = text(4_096);

/** The next frame; when nothing is streamed, one frame is pulled for it. */
async function nextFrame({ bridge }: Target): Promise<Frame> {
  const { streaming } = bridge;
  const stopped = !streaming.active;
  const coming = firstValueFrom(bridge.frames$.pipe(timeout(SNAPSHOT_MS)));
  coming.catch(() => undefined);
  try {
    if (stopped) await bridge.startStreaming();
    return await coming;
  } catch (cause) {
    if (cause instanceof BridgeError) throw cause;
    throw new BridgeError('CAMERA_SILENT', `No frame came within ${SNAPSHOT_MS / 1_000} s`, { cause });
  } finally {
    if (stopped) await streaming.stop();
  }
}

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
    async (target, { path: file }) => {
      const frame = await nextFrame(target);
      const { sequence, width, height, bytes, crc32, timestampMs } = frame;
      const about = { status: 'success', sequence, width, height, bytes, crc32, timestamp_ms: timestampMs };
      if (file === undefined) return { ...about, jpeg: Buffer.from(frame.jpeg).toString('base64') };
      try {
        await writeFile(`${file}.part`, frame.jpeg);
        await rename(`${file}.part`, file);
      } catch (cause) {
        throw new BridgeError('FILE_FAILED', `The snapshot cannot be written: ${String(cause)}`, { cause });
      }
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
      usage: '[events=frame,result,dropped,...]',
      help: 'from now on a JSON line for each frame, result and other event (as with --json)',
      params: z.strictObject({
        events: z
          .union([
            z.array(z.string().max(32)).max(16),
            z
              .string()
              .max(255)
              .transform((list) => list.split(',')),
          ])
          .default(['frame', 'result']),
      }),
    },
    ({ bridge }, { events }, { send, onGone }) => {
      const wanted = new Set(events.map((event) => event.trim()));
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
