/** The script that gives frames: sends it when it is needed, and puts the camera's settings back after it has restarted. */
import { readFile } from 'node:fs/promises';
import { pause } from '../async.js';
import type { Camera } from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { readProblem } from '../files.js';
import { scriptEnded } from '../frames/index.js';
import type { BridgeOptions } from '../options/index.js';
import { packageFile } from '../package.js';
import type { ChannelEntry } from '../protocol/index.js';
import { ScriptOutput } from './script-output.js';

/** The channel that the bundled script registers. */
const BUNDLED_CHANNEL = 'frame';
/** A script that runs already may be about to register its channel, as a camera's main.py after power-up. */
const GRACE_MS = 1_500;
/** From a script's start to its channel: a sensor takes up to a few seconds to settle. */
const REGISTER_MS = 15_000;
const LOOK_MS = 100;
/** How often the channels are asked for while the interpreter may be restarting. */
const ATTEMPTS = 5;
/** Below all ids. */
const NONE = -1;

export class FrameScript {
  readonly #options: BridgeOptions;
  readonly #failed: (error: BridgeError) => void;
  #prepared = false;
  /** The connection on which a caller stopped the script or put another one in its place. */
  #replacedOn: Camera | undefined;
  /** Frames are wanted after a pause: the script comes back, and what it has latched meanwhile is old. */
  #resume = false;
  /** Frames have been wanted before. */
  #begun = false;
  /** The script that has the settings: of which connection, and after how many restarts. */
  #settled: { readonly camera: Camera; readonly restarts: number } | undefined;

  /** `failed` is told which settings are not in force. */
  constructor(options: BridgeOptions, failed: (error: BridgeError) => void) {
    this.#options = options;
    this.#failed = failed;
  }

  /** A caller stops the script, or runs another one, on this connection. */
  replaced(camera: Camera): void {
    this.#replacedOn = camera;
  }

  /**
   * Frames are wanted: the next `prepare` makes sure of the script, and of a new picture. The first start after opening is
   * no resumption: whether the latched frame is old, the source judges and counts.
   */
  wanted(): void {
    if (this.#begun || !this.#options.streaming) this.#resume = true;
    this.#begun = true;
  }

  /**
   * Makes sure that the script runs, with the settings made before. Resolves at once while another script has its place
   * and no frames are wanted. CHANNEL_MISSING when no script may be sent; SCRIPT_FAILED with the script's output when it
   * registers no frame channel; FILE_FAILED; CAMERA_*; `signal.reason`.
   */
  async prepare(camera: Camera, signal: AbortSignal): Promise<void> {
    const resume = this.#resume;
    if (this.#replacedOn && !resume) return;
    const { script, channel } = this.#options;
    const path = scriptOf(this.#options);
    const replaced = this.#replacedOn === camera;
    if (path !== undefined && (replaced || (!this.#prepared && typeof script === 'string'))) {
      await run(camera, channel, path, signal);
    } else if (!replaced) {
      await restore(camera, channel, path, signal);
    }
    this.#prepared = true;
    this.#replacedOn = undefined;
    this.#resume = false;
    // The script lets go of a picture that has waited; one without a control channel cannot.
    if (resume) await camera.controls.refresh(signal).catch(asBridgeError);
    await this.#settle(camera, signal);
  }

  /** Makes the settings again that a script which has started again does not have. */
  async #settle(camera: Camera, signal: AbortSignal): Promise<void> {
    for (;;) {
      const { restarts } = camera;
      if (this.#settled?.camera === camera && this.#settled.restarts === restarts) return;
      try {
        if (camera.controls.changed) await camera.controls.restore(signal);
      } catch (cause) {
        signal.throwIfAborted();
        if (!camera.connected) throw cause;
        if (camera.restarts !== restarts) continue;
        const { code, message, context } = asBridgeError(cause);
        this.#failed(
          new BridgeError(
            code,
            `The camera's script has started again, and settings made before are not all in force: ${message}`,
            { context, cause },
          ),
        );
      }
      this.#settled = { camera, restarts };
    }
  }
}

/** The script that may be sent; the bundled one only under its own channel's name. */
function scriptOf({ script, channel }: BridgeOptions): string | undefined {
  if (typeof script === 'string') return script;
  if (script === false || channel !== BUNDLED_CHANNEL) return undefined;
  return packageFile('firmware/frame_channel.py');
}

/**
 * Sends the script only if no script with the channel runs. A channel counts only while a script runs: a stopped one
 * leaves its channels, which still answer.
 */
async function restore(
  camera: Camera,
  channel: string,
  path: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const ms = path === undefined ? REGISTER_MS : (await camera.running(signal)) ? GRACE_MS : 0;
  if (await appears(camera, channel, { ms, signal })) return;
  if (path !== undefined) return run(camera, channel, path, signal);
  // Which of the two is missing: the channel, or the script behind it.
  await camera.channel(channel).id();
  throw scriptEnded(channel);
}

async function run(camera: Camera, channel: string, path: string, signal: AbortSignal): Promise<void> {
  let script: string;
  try {
    script = await readFile(path, { encoding: 'utf8', signal });
  } catch (cause) {
    signal.throwIfAborted();
    const problem = readProblem(cause);
    throw new BridgeError('OPTION_INVALID', `The script ${path} cannot be read: ${problem}.`, { cause });
  }
  await camera.stop(signal);
  const above = await highestId(camera, channel);
  const printed = new ScriptOutput(camera);
  try {
    await camera.exec(script, signal);
    if (await appears(camera, channel, { ms: REGISTER_MS, above, whileRunning: true, signal })) return;
    const output = await printed.complete(signal);
    throw new BridgeError(
      'SCRIPT_FAILED',
      `The script ${path} registered no channel \`${channel}\` on the camera.${output ? ` It printed:\n${output}` : ''}`,
      { context: { script: path, channel, output } },
    );
  } finally {
    printed.close();
  }
}

interface Expected {
  /** How long to wait. */
  readonly ms: number;
  /** A stopped script's channel, which stays: only one with a higher id is meant. */
  readonly above?: number;
  /** A script that has ended ends the wait. */
  readonly whileRunning?: boolean;
  readonly signal: AbortSignal;
}

/** Whether the channel of a script that runs is there, or comes in time. */
async function appears(camera: Camera, name: string, expected: Expected): Promise<boolean> {
  const { ms, whileRunning = false, signal } = expected;
  const until = performance.now() + ms;
  let { above = NONE } = expected;
  // Restarting the interpreter clears the table, and ids start from the first free one again.
  const events = camera.events$.subscribe(({ type }) => {
    if (type === 'rebooted') above = NONE;
  });
  try {
    for (;;) {
      try {
        camera.forgetChannels();
        const id = highest(await camera.channels(), name);
        above = Math.min(above, id);
        const running = await camera.running(signal);
        if (running && id > above) return true;
        if (performance.now() >= until || (whileRunning && !running)) return false;
      } catch (error) {
        // A restart of the interpreter or the link interrupts a question; the next one counts.
        const passing =
          error instanceof BridgeError && error.code !== 'PORT_CLOSED' && performance.now() < until;
        if (!passing) throw error;
      }
      await pause(LOOK_MS, signal);
    }
  } finally {
    events.unsubscribe();
  }
}

/** Of the channel that earlier scripts have left. */
async function highestId(camera: Camera, name: string): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      camera.forgetChannels();
      return highest(await camera.channels(), name);
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'CAMERA_REBOOTED' || attempt >= ATTEMPTS) {
        throw error;
      }
    }
  }
}

function highest(channels: readonly ChannelEntry[], name: string): number {
  return Math.max(NONE, ...channels.filter((channel) => channel.name === name).map(({ id }) => id));
}
