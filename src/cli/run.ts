/** `openmv-bridge run`, which is also what it does without a subcommand. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { Bridge } from '../bridge/bridge.js';
import { openBridge } from '../bridge/open-bridge.js';
import type { BridgeInput } from '../bridge/options.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { byteCount, collect, octalMode, reconnectPolicy, seconds, wholeNumber } from './arguments.js';
import { addCameraOptions, type CameraFlags, cameraInput, defined } from './camera-options.js';
import { EXIT, exitStatus } from './exit-status.js';
import { type Level, LOG_LEVELS, Output } from './output.js';
import { reportBridge } from './run-report.js';
import { onStop } from './stop-signals.js';

interface RunFlags extends CameraFlags {
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
  imageDir?: string;
  runner?: string;
  dialect?: BridgeInput['dialect'];
  callTimeout?: number;
  delivery?: BridgeInput['delivery'];
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
    .option('--image-dir <dir>', 'image files for the algorithm (default: a private one under /dev/shm)')
    .option('--runner <command>', 'the algorithm, or give it behind --')
    .addOption(
      new Option('--dialect <name>', 'how it is called (default: auto)').choices([
        'auto',
        'execute',
        'phased',
        'flat',
        'method',
      ]),
    )
    .option('--call-timeout <ms>', 'longest call (default: 30000)', wholeNumber(1, 2_147_483_647))
    .addOption(
      new Option('--delivery <policy>', 'frames for a busy algorithm (default: latest)').choices([
        'latest',
        'every',
      ]),
    )
    .option('--json', 'one JSON object a line on stdout; words for people go to stderr')
    .option('--config <file>', "JSON file with the library's options; flags win over it")
    .addOption(
      new Option('--log-level <level>', 'least important log line').choices(LOG_LEVELS).default('info'),
    )
    .option('--quiet', 'errors only');
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
  let stopped = false;
  const stopListening = onStop(() => {
    stopped = true;
    // Before anything is open there is nothing to close; the exit hooks see to the rest.
    if (bridges.length === 0) process.exit(EXIT.done);
    for (const bridge of bridges) void bridge.close();
  });
  try {
    const inputs = await bridgeInputs(flags, algorithm);
    for (const input of inputs) {
      const bridge = await openBridge(input);
      bridges.push(bridge);
      reportBridge(bridge, output, inputs.length > 1);
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
  if (algorithm.length > 0 && flags.runner !== undefined) {
    throw new BridgeError('OPTION_INVALID', 'Give the algorithm with --runner or behind --, not both.');
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
      shm: flags.shm ? undefined : false,
      shmName: flags.shmName,
      shmSize: flags.shmSize,
      shmMode: flags.shmMode,
      imageDir: flags.imageDir,
      runner: algorithm.length > 0 ? [...algorithm] : flags.runner,
      dialect: flags.dialect,
      callTimeoutMs: flags.callTimeout,
      delivery: flags.delivery,
    }),
    port: 'auto',
  };
  return ports.map((port, index) => ({
    ...common,
    ...cameraInput(flags, port, index),
    ...(index > 0 ? { shmName: `${common.shmName ?? '/openmv_frame'}_${index + 1}` } : {}),
  }));
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
