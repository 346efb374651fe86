/** Makes sure that a script with the frame channel runs on the camera: sends one when that is wanted. */
import { readFile } from 'node:fs/promises';
import type { Camera } from '../camera/camera.js';
import { BridgeError } from '../errors.js';
import { scriptEnded } from '../frames/source.js';
import { packageFile } from '../package.js';
import type { ChannelEntry } from '../protocol/index.js';
import type { BridgeOptions } from './options.js';
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

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * At the start: runs the wanted script, or the bundled one if no script with the channel runs. A channel counts only
 * while a script runs: a stopped one leaves its channels, which answer for ever. CHANNEL_MISSING when no script may
 * be sent; SCRIPT_FAILED with the script's output when it registers no such channel; FILE_FAILED.
 */
export async function prepareChannel(camera: Camera, options: BridgeOptions): Promise<void> {
  if (typeof options.script === 'string') return run(camera, options, options.script);
  return restoreChannel(camera, options);
}

/** Later, when the channel or its script may have gone: runs the script again only if no script with the channel runs. */
export async function restoreChannel(camera: Camera, options: BridgeOptions): Promise<void> {
  const path = scriptOf(options);
  const wait = path === undefined ? REGISTER_MS : (await camera.running()) ? GRACE_MS : 0;
  if (await appears(camera, options.channel, { ms: wait })) return;
  if (path !== undefined) return run(camera, options, path);
  // Which of the two is missing: the channel, or the script behind it.
  await camera.channel(options.channel).id();
  throw scriptEnded(options.channel);
}

/** Runs the bridge's own script again after another one had its place; none when none may be sent. SCRIPT_FAILED, FILE_FAILED. */
export async function reloadScript(camera: Camera, options: BridgeOptions): Promise<void> {
  const path = scriptOf(options);
  if (path !== undefined) return run(camera, options, path);
}

/** The script that may be sent; the bundled one serves its own channel's name only. */
function scriptOf({ script, channel }: BridgeOptions): string | undefined {
  if (typeof script === 'string') return script;
  return script === false || channel !== BUNDLED_CHANNEL
    ? undefined
    : packageFile('firmware/frame_channel.py');
}

async function run(camera: Camera, options: BridgeOptions, path: string): Promise<void> {
  let script: string;
  try {
    script = await readFile(path, 'utf8');
  } catch (cause) {
    throw new BridgeError('FILE_FAILED', `The camera script ${path} cannot be read: ${String(cause)}.`, {
      cause,
    });
  }
  await camera.stop();
  const above = await highestId(camera, options.channel);
  const printed = new ScriptOutput(camera);
  try {
    await camera.exec(script);
    if (await appears(camera, options.channel, { ms: REGISTER_MS, above, whileRunning: true })) return;
    const output = await printed.complete();
    throw new BridgeError(
      'SCRIPT_FAILED',
      `The script ${path} registered no channel \`${options.channel}\` on the camera.${output ? ` It printed:\n${output}` : ''}`,
      { context: { script: path, channel: options.channel, output } },
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
}

/** Whether the channel of a script that runs is there, or comes in time. */
async function appears(camera: Camera, name: string, expected: Expected): Promise<boolean> {
  const { ms, whileRunning = false } = expected;
  const until = performance.now() + ms;
  let { above = NONE } = expected;
  // Restarting the interpreter clears the table, and ids begin anew.
  const events = camera.events$.subscribe(({ type }) => {
    if (type === 'rebooted') above = NONE;
  });
  try {
    for (;;) {
      try {
        camera.forgetChannels();
        const id = highest(await camera.channels(), name);
        above = Math.min(above, id);
        const running = await camera.running();
        if (running && id > above) return true;
        if (performance.now() >= until || (whileRunning && !running)) return false;
      } catch (error) {
        // A restart of the interpreter or the link interrupts a question; the next one counts.
        const passing =
          error instanceof BridgeError && error.code !== 'PORT_CLOSED' && performance.now() < until;
        if (!passing) throw error;
      }
      await sleep(LOOK_MS);
    }
  } finally {
    events.unsubscribe();
  }
}

/** Of the channel that scripts before have left. */
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
