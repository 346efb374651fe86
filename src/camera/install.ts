/** A script that the camera runs by itself after power-on: main.py on its own file system. */
import { createHash } from 'node:crypto';
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { type CameraInput, cameraOptionsSchema, parseOptions } from '../options/index.js';
import type { Camera } from './camera.js';
import { COMMIT, PREAMBLE, UNDO, writePiece } from './install-scripts.js';
import { ReconnectingCamera } from './reconnecting-camera.js';
import { restart } from './reset.js';
import { MAX_SCRIPT_BYTES } from './script.js';
import { scriptText } from './script-text.js';

/** Bytes of the script that go to the camera at a time: its heap holds them three times. */
const PIECE = 8 * 1024;
/** How long main.py may take until its channel is there: a sensor that starts takes seconds. */
const START_MS = 15_000;
const LOOK_MS = 100;

export interface InstallOptions {
  /** Waited for after the reset; undefined: until the script runs. */
  readonly channel: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Writes `script` as main.py, reads it back, restarts the camera and waits until the script runs and its channel is
 * there. What main.py was is kept on the camera for `uninstall`. Ends in the errors of `connectCamera`, OPTION_INVALID,
 * SCRIPT_EXCEPTION (its file system is full or cannot be written), SCRIPT_FAILED (what is there differs, or it does not
 * run), CHANNEL_MISSING (it runs without the channel), or `signal.reason`.
 */
export async function install(input: CameraInput, script: string, options: InstallOptions): Promise<void> {
  const { channel, signal } = options;
  const bytes = Buffer.from(await scriptText(script));
  if (bytes.length === 0 || bytes.length > MAX_SCRIPT_BYTES) {
    throw new BridgeError(
      'OPTION_INVALID',
      `A script has 1 to ${MAX_SCRIPT_BYTES} bytes, this one ${bytes.length}.`,
    );
  }
  const digest = createHash('sha256').update(bytes).digest('hex');
  const camera = await withRestart(input, signal, async (before) => {
    const commit = `${PREAMBLE}${COMMIT(digest)}`;
    // It may be there already: then nothing is written, and what was there before the first time is kept.
    if ((await answer(before, commit, signal)) === 'installed') return;
    for (let at = 0; at < bytes.length; at += PIECE) {
      await before.run(writePiece(bytes.subarray(at, at + PIECE), at === 0), { signal });
    }
    if ((await answer(before, commit, signal)) === 'installed') return;
    throw new BridgeError(
      'SCRIPT_FAILED',
      'What the camera has written differs from the script, so main.py was left as it was. Try again.',
    );
  });
  try {
    await started(camera, channel, signal);
  } finally {
    await camera.close();
  }
}

/**
 * Puts back what main.py was before the last `install`, or removes it where there was none, and restarts the camera.
 * OPTION_INVALID when nothing was installed.
 */
export async function uninstall(input: CameraInput, signal: AbortSignal): Promise<void> {
  const camera = await withRestart(input, signal, async (before) => {
    if ((await answer(before, `${PREAMBLE}${UNDO}`, signal)) === 'undone') return;
    throw new BridgeError(
      'OPTION_INVALID',
      'Nothing was installed on this camera, so there is nothing to put back.',
    );
  });
  await camera.close();
}

/** Acts on the camera and restarts it; the camera as it is then. Closed when it fails. */
async function withRestart(
  input: CameraInput,
  signal: AbortSignal,
  action: (camera: Camera) => Promise<void>,
): Promise<Camera> {
  const options = parseOptions(cameraOptionsSchema, input);
  if (options.port === 'virtual') {
    throw new BridgeError(
      'OPTION_INVALID',
      'A camera of the port `virtual` is another one at each connection, so nothing stays installed on it. Serve one on a ' +
        'terminal with `openmv-bridge virtual`, and name that.',
      { context: { port: options.port } },
    );
  }
  const again = new ReconnectingCamera(options);
  const camera = await again.connect(signal);
  try {
    await action(camera);
    return await restart(again, signal);
  } catch (error) {
    await again.camera.close();
    throw error;
  }
}

/** The word that a script of ours prints behind its mark. */
async function answer(camera: Camera, script: string, signal: AbortSignal): Promise<string> {
  const output = await camera.run(script, { signal });
  const word = /main\.py: (\w+)/.exec(output)?.[1];
  if (word !== undefined) return word;
  throw new BridgeError(
    'SCRIPT_FAILED',
    'The camera did not say what became of its main.py. Try again: what is there already is not written twice.',
    { context: { output } },
  );
}

async function started(camera: Camera, channel: string | undefined, signal: AbortSignal): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; await pause(LOOK_MS, signal)) {
    camera.forgetChannels();
    const names = (await camera.channels()).map(({ name }) => name);
    if (channel === undefined ? await camera.running(signal) : names.includes(channel)) return;
  }
  const what = channel === undefined ? 'does not run' : `has no channel \`${channel}\``;
  throw new BridgeError(
    channel === undefined ? 'SCRIPT_FAILED' : 'CHANNEL_MISSING',
    `main.py was written, but ${what} ${START_MS / 1000} s after the reset. Run the script with exec to see what it ` +
      'prints, or put back what was there.',
    { context: { channel } },
  );
}
