/** `openmv-bridge run`, which is also what it does without a subcommand. */
import { type Command, Option } from 'commander';
import type { ControlServer } from '../../control/index.js';
import { asBridgeError, type BridgeError } from '../../errors.js';
import { addCallOptions, addDeliveryOption, addResultOptions } from '../algorithm-flags.js';
import {
  byteCount,
  collect,
  nameOf,
  octalMode,
  reconnectPolicy,
  seconds,
  wholeNumber,
} from '../arguments.js';
import { addCameraOptions } from '../camera-options.js';
import { Cameras } from '../cameras.js';
import { addControlOptions, openControl } from '../control-options.js';
import { EXIT, exitStatus } from '../exit-status.js';
import { LOG_LEVELS, Output } from '../output.js';
import { bridgeInputs, type RunFlags } from '../run-inputs.js';
import { attachControl, reportBridge } from '../run-report.js';
import { onStop, stopAsked } from '../stop-signals.js';

/** Permission to write for everybody. */
const WRITABLE_BY_ALL = 0o002;

/** `algorithm`: the words behind `--`. */
export function addRunCommand(program: Command, algorithm: readonly string[]): void {
  const command = program
    .command('run')
    .description('pull frames, put them into shared memory, hand them to an algorithm')
    .usage('--port PATH|auto|virtual [options] [-- ALGORITHM ARGS...]')
    .option(
      '--port <path>',
      'the camera: a device path, auto, or virtual; repeatable (default: auto)',
      collect,
    )
    .option('--script <file>', 'run this script on the camera first')
    .option('--no-script', 'never send a script to the camera')
    .option('--channel <name>', "the script's frame channel (default: frame)", nameOf(1, 13))
    .option('--frames <n>', 'stop after that many delivered frames', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--duration <s>', 'stop after that many seconds', seconds)
    .option(
      '--reconnect <when>',
      'on, off, or how many attempts in a row may fail (default: on)',
      reconnectPolicy,
    )
    .option('--save <dir>', 'write every frame to a file')
    .optionsGroup('Shared memory:')
    .option('--shm-name <name>', 'the shared-memory segment (default: /openmv_frame)')
    .option('--no-shm', 'no shared-memory segment')
    .option(
      '--shm-size <bytes>',
      'its size, header included (default: 8294528)',
      byteCount(4_096, 2 ** 31 - 1),
    )
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
    .option('--arrays <base>', 'decoded frames as the array <base>_image_shm with a semaphore')
    .option('--ring <name>', 'every frame in a ring for several readers')
    .option('--ring-slots <n>', 'frames that the ring keeps (default: 16)', wholeNumber(4, 1_024))
    .option(
      '--ring-slot-size <bytes>',
      'largest frame of the ring (default: 524288)',
      byteCount(1_024, 2 ** 26),
    )
    .optionsGroup('Output and settings:')
    .option('--json', 'one JSON object a line on stdout; words for people go to stderr')
    .option('--config <file>', "JSON file with the library's options; flags win over it")
    .addOption(
      new Option('--log-level <level>', 'least important log line').choices(LOG_LEVELS).default('info'),
    )
    .option('--quiet', 'errors only');
  addDeliveryOption(addResultOptions(addCallOptions(command)));
  addControlOptions(command.optionsGroup('Control and pipeline:'));
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
  let cameras: Cameras | undefined;
  let control: ControlServer | undefined;
  const stopListening = onStop(() => {
    // Before anything is open there is nothing to close; the exit hooks see to the rest.
    if (!cameras || cameras.bridges.length === 0) process.exit(EXIT.done);
    void cameras.close();
  });
  /** What people have read as the reason of a disconnection. */
  const told = new Set<string>();
  try {
    const inputs = await bridgeInputs(flags, algorithm);
    const several = inputs.length > 1;
    control = await openControl(flags);
    cameras = new Cameras(inputs, {
      opened: (bridge) => {
        bridge.events$.subscribe((event) => event.type === 'disconnected' && told.add(event.message));
        reportBridge(bridge, output, several);
        if (control) attachControl(control, bridge, output, several);
        const { earlierFrames, options } = bridge;
        if ((options.shmMode & WRITABLE_BY_ALL) !== 0) {
          output.log(
            'warn',
            'every user may write to the shared memory (--shm-mode): who can write can forge frames and end its readers',
          );
        }
        if (earlierFrames !== undefined) {
          output.log('info', `frames of an earlier run were moved to ${earlierFrames}`);
        }
      },
      waiting: (port, error) => {
        output.error(error);
        output.log('info', `waiting for the camera on ${port}; the others go on`);
      },
    });
    const ends = await cameras.run();
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) {
      const error = asBridgeError(failed.reason);
      output.error(error, told.has(error.message));
      const status = exitStatus(error);
      // The port was usable once: it is the camera that is lost.
      return status === EXIT.port ? EXIT.camera : status;
    }
    if (cameras.bridges.some((bridge) => bridge.algorithmFailure)) return EXIT.algorithm;
    // These have been reported when they happened.
    const unfinished = cameras.bridges.map(({ streaming }) => streaming.pipelineError).find((error) => error);
    if (unfinished) return exitStatus(unfinished);
    const [missing] = stopAsked() ? [] : cameras.missing;
    return missing ? exitStatus(missing) : EXIT.done;
  } catch (error) {
    const errors = error instanceof AggregateError ? error.errors.map(asEach) : [asBridgeError(error)];
    for (const one of errors) report(one, output);
    return exitStatus(errors[0]!);
  } finally {
    await control?.close();
    stopListening();
  }
}

const asEach = (error: unknown): BridgeError => asBridgeError(error);

function report(error: BridgeError, output: Output): void {
  // An algorithm that never got ready was not listened to: its log may say why.
  const { stderr } = error.context;
  if (Array.isArray(stderr)) for (const line of stderr) output.log('error', `algorithm: ${String(line)}`);
  output.error(error);
}
