/** Makes sure that the camera has its frame channel: sends a script when that is wanted. */
import { readFile } from 'node:fs/promises';
import type { Camera } from '../camera/camera.js';
import { BridgeError } from '../errors.js';
import { packageFile } from '../package.js';
import type { BridgeOptions } from './options.js';

/** The channel that the bundled script registers. */
const BUNDLED_CHANNEL = 'frame';
/** A script that runs already may be about to register its channel, as a camera's main.py after power-up. */
const GRACE_MS = 1_500;
/** From a script's start to its channel: a sensor takes up to a few seconds to settle. */
const REGISTER_MS = 15_000;
const LOOK_MS = 100;
/** How much of a script's output an error shows. */
const TAIL = 2_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * At the start: runs the wanted script, or the bundled one if the channel is missing. CHANNEL_MISSING when no
 * script may be sent; SCRIPT_FAILED with the script's output when it registers no such channel; FILE_FAILED.
 */
export async function prepareChannel(camera: Camera, options: BridgeOptions): Promise<void> {
  if (typeof options.script === 'string') return run(camera, options, options.script);
  return restoreChannel(camera, options);
}

/** Later, when the channel may have gone: runs the script again only if the channel is missing. */
export async function restoreChannel(camera: Camera, options: BridgeOptions): Promise<void> {
  const wait = options.script === false ? REGISTER_MS : (await camera.running()) ? GRACE_MS : 0;
  if (await appears(camera, options.channel, wait)) return;
  if (typeof options.script === 'string') return run(camera, options, options.script);
  if (options.script === false || options.channel !== BUNDLED_CHANNEL) {
    await camera.channel(options.channel).id();
    return;
  }
  return run(camera, options, packageFile('firmware/frame_channel.py'));
}

/** Runs the bridge's own script again after another one had its place; none when none may be sent. SCRIPT_FAILED, FILE_FAILED. */
export async function reloadScript(camera: Camera, options: BridgeOptions): Promise<void> {
  if (typeof options.script === 'string') return run(camera, options, options.script);
  if (options.script === false || options.channel !== BUNDLED_CHANNEL) return;
  return run(camera, options, packageFile('firmware/frame_channel.py'));
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
  let output = '';
  const printed = camera.stdout$.subscribe((text) => {
    output = (output + text).slice(-TAIL);
  });
  try {
    await camera.exec(script);
    if (await appears(camera, options.channel, REGISTER_MS, true)) return;
    throw new BridgeError(
      'SCRIPT_FAILED',
      `The script ${path} registered no channel \`${options.channel}\` on the camera.${output ? ` It printed:\n${output.trim()}` : ''}`,
      { context: { script: path, channel: options.channel, output } },
    );
  } finally {
    printed.unsubscribe();
  }
}

/** Whether the channel is there, or comes within `ms`. With `whileRunning` a script that has ended ends the wait. */
async function appears(camera: Camera, name: string, ms: number, whileRunning = false): Promise<boolean> {
  const until = performance.now() + ms;
  for (;;) {
    try {
      const channels = await camera.channels();
      if (channels.some((channel) => channel.name === name)) return true;
      if (performance.now() >= until || (whileRunning && !(await camera.running()))) return false;
    } catch (error) {
      // A restart of the interpreter or the link interrupts a question; the next one counts.
      const passing =
        error instanceof BridgeError && error.code !== 'PORT_CLOSED' && performance.now() < until;
      if (!passing) throw error;
    }
    await sleep(LOOK_MS);
    camera.forgetChannels();
  }
}
