/** Commands beyond VizionStreamer's: figures, snapshots, scripts, several cameras, events. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { BridgeEvent } from '../bridge/index.js';
import { BridgeError } from '../errors.js';
import { readProblem, writeWhole } from '../files.js';
import { type Command, command, none } from './command.js';
import { MESSAGE_BYTES } from './message-reader.js';
import { choice, flag, text } from './parameters.js';

/** What can be subscribed to. */
const EVENTS = [
  'frame',
  'result',
  'stats',
  'connected',
  'source',
  'disconnected',
  'dropped',
  'error',
  'stdout',
  'pipeline',
  'runner',
  'log',
  'skipped',
  'recovered',
] as const satisfies readonly ('frame' | 'result' | 'stats' | BridgeEvent['type'])[];
const SNAPSHOT_MS = 10_000;
const path = text(4_096).describe('a file where the bridge runs');

/** `subscribe`'s list, or its text with commas. */
const eventsParam = z
  .preprocess(
    (events) => (typeof events === 'string' ? events.split(',').map((event) => event.trim()) : events),
    z.array(choice(EVENTS), `a list of ${EVENTS.join(', ')} is needed`).min(1, 'the list is empty'),
  )
  .default(['frame', 'result']);
const script = {
  path: path.optional(),
  script: text(MESSAGE_BYTES).describe('its text; or path').optional(),
};
const scriptParams = z
  .strictObject(script)
  .refine((given) => (given.path === undefined) !== (given.script === undefined), {
    message: 'parameter "path" or "script" is needed',
  });
const installParams = z
  .strictObject({
    ...script,
    channel: text(13).describe('wait until the script has it; default: until it runs').optional(),
    undo: flag().describe('put back what main.py was before, with nothing else').optional(),
  })
  .refine((given) => given.path === undefined || given.script === undefined, {
    message: 'parameters "path" and "script" are two ways to say the same: give one',
  })
  .refine(({ undo, ...rest }) => !undo || Object.values(rest).every((value) => value === undefined), {
    message: 'parameter "undo" is given alone: it takes no script and no channel',
  });

export const ownCommands: readonly Command[] = [
  command('get_stats', '', 'figures of the last second, and counters', none, ({ bridge, stats }) => ({
    camera: bridge.cameraId,
    streaming: bridge.streaming,
    fps: Math.round((stats?.framesPerSecond ?? 0) * 10) / 10,
    total_frames: stats?.delivered ?? 0,
    frame_size: stats?.frameBytes ?? 0,
    width: stats?.width ?? 0,
    height: stats?.height ?? 0,
    bytes_per_second: Math.round(stats?.bytesPerSecond ?? 0),
    dropped: stats?.dropped ?? 0,
    dropped_by_reason: stats?.droppedByReason ?? {},
    repaired: stats?.repaired ?? 0,
    damaged_data: stats?.damagedData ?? 0,
    latency_ms: stats?.latencyMs ?? { delivered: null, result: null },
    pipeline: { running: bridge.pipeline.running, ...bridge.pipeline.stats },
  })),
  command('get_info', '', 'identity, versions and link of the camera', none, ({ bridge }) => ({
    camera: bridge.cameraId,
    ...bridge.camera.info(),
  })),
  command(
    'get_results',
    '',
    "how many outcomes of each kind there were, and the algorithm's last 20 results, oldest first",
    none,
    async ({ stats, results }) => {
      const { resultLine } = await import('../bridge/index.js');
      const { ok = 0, ng = 0, failed = 0, skipped = 0 } = stats?.algorithm ?? {};
      return { ok, ng, failed, skipped, results: results.map((result) => resultLine(result)) };
    },
  ),
  command(
    'snapshot',
    '[path=FILE]',
    'one frame, into a file of the bridge or as base64 in the reply',
    z.strictObject({ path: path.optional() }),
    async ({ bridge }, { path: file }) => {
      const { jpeg, sequence, width, height, bytes, crc32, timestampMs, takenAtMs } =
        await bridge.nextFrame(SNAPSHOT_MS);
      const about = { sequence, width, height, bytes, crc32, timestamp_ms: Math.round(timestampMs) };
      if (file === undefined) return { ...about, jpeg: Buffer.from(jpeg).toString('base64') };
      await writeWhole('The snapshot cannot be written', file, jpeg, takenAtMs);
      return { ...about, path: file };
    },
  ),
  command(
    'exec_script',
    'path=FILE | script=TEXT',
    'run a MicroPython script on the camera; not while streaming',
    scriptParams,
    async ({ bridge }, { path: file, script }) => {
      await bridge.execScript(script ?? (await readScript(file!)));
      return 'Script started';
    },
  ),
  command(
    'stop_script',
    '',
    'stop the script on the camera; not while streaming',
    none,
    async ({ bridge }) => {
      await bridge.stopScript();
      return 'Script stopped';
    },
  ),
  command(
    'reset',
    '',
    'restart the camera, which runs its main.py then, and wait until it is back; not while streaming',
    none,
    async ({ bridge }) => {
      await bridge.resetCamera();
      return { message: 'Camera reset', port: bridge.camera.info().port };
    },
  ),
  command(
    'install',
    '[path=FILE | script=TEXT] [channel=NAME] | undo=yes',
    'write a script as main.py, which the camera runs after power-on, and reset it; default: the bundled script; not while streaming',
    installParams,
    async ({ bridge }, { path: file, script: given, channel, undo }) => {
      if (undo) {
        await bridge.uninstallScript();
        return 'main.py is what it was before';
      }
      const main = file === undefined ? given : await readScript(file);
      return {
        message: 'Script installed',
        channel: (await bridge.installScript({ script: main, channel })) ?? null,
      };
    },
  ),
  command(
    'trigger',
    '',
    'ask for one picture (with --trigger host); the reply has the number of its frame',
    none,
    async ({ bridge }) => ({ triggerId: await bridge.trigger() }),
  ),
  command('script_running', '', 'whether a script runs on the camera', none, async ({ bridge }) => ({
    running: await bridge.camera.running(),
  })),
  command('get_output', '', 'the last of what the script has printed', none, ({ output }) => ({ output })),
  {
    ...command('list_ports', '', 'cameras that are plugged into this machine', none, async () => {
      const { listCameras } = await import('../port/index.js');
      return { ports: await listCameras() };
    }),
    needsCamera: false,
  },
  {
    ...command('list_cameras', '', 'the cameras of this bridge', none, (_none, _params, { targets }) => ({
      cameras: targets.map(({ bridge }) => ({
        camera: bridge.cameraId,
        port: bridge.camera.info().port,
        connected: bridge.camera.connected,
        streaming: bridge.streaming,
      })),
    })),
    needsCamera: false,
  },
  command(
    'subscribe',
    '[events=NAME,NAME...]',
    `from now on a JSON line (as with --json) for each of these; default: frame,result. There are ${EVENTS.join(', ')}`,
    z.strictObject({ events: eventsParam }),
    async ({ bridge }, { events }, { send, onGone }) => {
      // Here, as in the other commands: `ctl` knows them all and needs no bridge.
      const { eventLine, frameLine, resultLine, statsLine } = await import('../bridge/index.js');
      const wanted = new Set(events);
      const offer = lossCounter(bridge.cameraId, send);
      const subscriptions = [
        bridge.frames$.subscribe({
          next: (frame) => wanted.has('frame') && offer(frameLine(frame)),
          // The failure is an event as well.
          error: () => undefined,
        }),
        bridge.results$.subscribe((result) => wanted.has('result') && offer(resultLine(result))),
        bridge.stats$.subscribe((stats) => wanted.has('stats') && offer(statsLine(stats))),
        bridge.events$.subscribe((event) => wanted.has(event.type) && offer(eventLine(event))),
      ];
      onGone(() => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      });
      return 'Subscribed';
    },
  ),
];

/** Leaves out lines while the client does not read, and tells how many before the next one that it gets. */
function lossCounter(cameraId: string, send: (line: object) => boolean): (line: object) => void {
  let lost = 0;
  return (line) => {
    if (lost > 0 && send({ type: 'lost', timestampMs: Date.now(), cameraId, count: lost })) lost = 0;
    if (lost > 0 || !send(line)) lost++;
  };
}

async function readScript(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new BridgeError('FILE_FAILED', `The script ${file} cannot be read: ${readProblem(cause)}.`, {
      cause,
    });
  }
}
