/** `openmv-bridge run`, which is also what it does without a subcommand. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { Bridge } from '../bridge/bridge.js';
import { openBridge } from '../bridge/open-bridge.js';
import type { BridgeInput } from '../bridge/options.js';
import type { ControlServer } from '../control/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import {
  type AlgorithmFlags,
  addCallOptions,
  addDeliveryOption,
  addResultOptions,
  algorithmInput,
} from './algorithm-flags.js';
import { byteCount, collect, octalMode, reconnectPolicy, seconds, wholeNumber } from './arguments.js';
import { addCameraOptions, type CameraFlags, cameraInput, defined } from './camera-options.js';
import { addControlOptions, type ControlFlags, openControl } from './control-options.js';
import { EXIT, exitStatus } from './exit-status.js';
import { type Level, LOG_LEVELS, Output } from './output.js';
import { attachControl, reportBridge } from './run-report.js';
import { onStop } from './stop-signals.js';

interface RunFlags extends CameraFlags, AlgorithmFlags, ControlFlags {
  port?: string[];
  script?: string | false;
  channel?: string;
  frames?: number;
  duration?: number;
  reconnect?: boolean | number;
  save?: string;
  shm: boolean;
  shmName?: string;
  shmSize?: number;
  shmMode?: number;
  shmFormat?: BridgeInput['shmFormat'];
  arrays?: string;
  ring?: string;
  ringSlots?: number;
  ringSlotSize?: number;
  json?: boolean;
  config?: string;
  logLevel: Level;
  quiet?: boolean;
}

/** Options of a config file: those of the library, and `port` may be a list. */
type ConfigFile = Omit<BridgeInput, 'port'> & { port?: string | string[] };

/** `algorithm`: the words behind `--`. */
export function addRunCommand(program: Command, algorithm: readonly string[]): void {
  const command = program
    .command('run', { isDefault: true })
    .description('pull frames, put them into shared memory, hand them to an algorithm')
    .usage('--port PATH|auto|virtual [options] [-- ALGORITHM ARGS...]')
    .option(
      '--port <path>',
      'the camera: a device path, auto, or virtual; repeatable (default: auto)',
      collect,
    )
    .option('--script <file>', 'run this script on the camera first')
    .option('--no-script', 'never send a script to the camera')
    .option('--channel <name>', "the script's frame channel (default: frame)")
    .option('--frames <n>', 'stop after that many delivered frames', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--duration <s>', 'stop after that many seconds', seconds)
    .option(
      '--reconnect <when>',
      'on, off, or how many attempts in a row may fail (default: on)',
      reconnectPolicy,
    )
    .option('--save <dir>', 'write every frame to a file')
    .option('--shm-name <name>', 'the shared-memory segment (default: /openmv_frame)')
    .option('--no-shm', 'no shared-memory segment')
    .option('--shm-size <bytes>', 'its size, header included (default: 8294528)', byteCount)
    .option('--shm-mode <mode>', 'its permissions (default: 0600)', octalMode)
    .addOption(
      new Option('--shm-format <format>', 'what the segment holds (default: mjpg)').choices([
        'mjpg',
        'rgb3',
        'bgr3',
        'grey',
        'rgba',
      ]),
    )
    .option('--arrays <base>', 'decoded frames as <base>_image arrays with a semaphore')
    .option('--ring <name>', 'every frame in a ring for several readers')
    .option('--ring-slots <n>', 'frames that the ring keeps (default: 16)', wholeNumber(4, 1_024))
    .option('--ring-slot-size <bytes>', 'largest frame of the ring (default: 524288)', byteCount)
    .option('--json', 'one JSON object a line on stdout; words for people go to stderr')
    .option('--config <file>', "JSON file with the library's options; flags win over it")
    .addOption(
      new Option('--log-level <level>', 'least important log line').choices(LOG_LEVELS).default('info'),
    )
    .option('--quiet', 'errors only');
  addDeliveryOption(addResultOptions(addCallOptions(command)));
  addControlOptions(command);
  addCameraOptions(command).action(async (flags: RunFlags) => {
    process.exitCode = await run(flags, algorithm);
  });
}

async function run(flags: RunFlags, algorithm: readonly string[]): Promise<number> {
  const output = new Output({
    json: flags.json ?? false,
    level: flags.logLevel,
    quiet: flags.quiet ?? false,
  });
  const bridges: Bridge[] = [];
  let control: ControlServer | undefined;
  let stopped = false;
  const stopListening = onStop(() => {
    stopped = true;
    // Before anything is open there is nothing to close; the exit hooks see to the rest.
    if (bridges.length === 0) process.exit(EXIT.done);
    for (const bridge of bridges) void bridge.close();
  });
  try {
    const inputs = await bridgeInputs(flags, algorithm);
    control = await openControl(flags);
    for (const input of inputs) {
      const bridge = await openBridge(input);
      bridges.push(bridge);
      reportBridge(bridge, output, inputs.length > 1);
      if (control) attachControl(control, bridge, output, inputs.length > 1);
      if (stopped) void bridge.close();
    }
    const ends = await Promise.allSettled(bridges.map((bridge) => bridge.done));
    await Promise.all(bridges.map((bridge) => bridge.close()));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) {
      const status = report(asBridgeError(failed.reason), output);
      // The port was usable once: it is the camera that is lost.
      return status === EXIT.port ? EXIT.camera : status;
    }
    return bridges.some((bridge) => bridge.algorithmFailure) ? EXIT.algorithm : EXIT.done;
  } catch (error) {
    await Promise.all(bridges.map((bridge) => bridge.close()));
    return report(asBridgeError(error), output);
  } finally {
    await control?.close();
    stopListening();
  }
}

function report(error: BridgeError, output: Output): number {
  output.error(error);
  return exitStatus(error);
}

/** One set of options a port. The first camera has the segment's name, the others have a number behind it. */
async function bridgeInputs(flags: RunFlags, algorithm: readonly string[]): Promise<BridgeInput[]> {
  const config = flags.config === undefined ? {} : await readConfig(flags.config);
  const configured = config.port === undefined ? [] : [config.port].flat();
  const ports = flags.port ?? (configured.length > 0 ? configured : ['auto']);
  if (
    new Set(ports.filter((port) => port !== 'virtual')).size + ports.filter((p) => p === 'virtual').length <
    ports.length
  ) {
    throw new BridgeError(
      'OPTION_INVALID',
      'The same --port is given twice: each camera has one of its own.',
    );
  }
  const common: BridgeInput = {
    ...config,
    ...defined({
      script: flags.script,
      channel: flags.channel,
      frames: flags.frames,
      durationMs: flags.duration,
      reconnect: flags.reconnect,
      save: flags.save,
      pipeline: flags.pipeline,
      streaming: flags.stream ? undefined : false,
      shm: flags.shm ? undefined : false,
      shmName: flags.shmName,
      shmSize: flags.shmSize,
      shmMode: flags.shmMode,
      shmFormat: flags.shmFormat,
      arrays: flags.arrays,
      ring: flags.ring,
      ringSlots: flags.ringSlots,
      ringSlotSize: flags.ringSlotSize,
    }),
    ...algorithmInput(flags, algorithm),
    port: 'auto',
  };
  return ports.map((port, index) => ({
    ...common,
    ...cameraInput(flags, port, index),
    ...(index > 0 ? numberedNames(common, index + 1) : {}),
  }));
}

/** Names in shared memory of the second camera and those after it. */
function numberedNames({ shmName = '/openmv_frame', ring, arrays }: BridgeInput, number: number) {
  return {
    shmName: `${shmName}_${number}`,
    ...(ring === undefined ? {} : { ring: `${ring}_${number}` }),
    ...(arrays === undefined ? {} : { arrays: `${arrays}_${number}` }),
  };
}

async function readConfig(path: string): Promise<ConfigFile> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
      throw new Error('it is no JSON object');
    return parsed as ConfigFile;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BridgeError('OPTION_INVALID', `The config file ${path} cannot be used: ${reason}.`, { cause });
  }
}
