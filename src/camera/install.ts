/** A script that the camera runs by itself after power-on: main.py on its own file system. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { type CameraInput, cameraOptionsSchema, parseOptions } from '../options/index.js';
import { packageFile } from '../package.js';
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
const BUNDLED_CHANNEL = 'frame';

/** What is to be on the camera. */
export interface MainScript {
  /** The text of main.py; default: the bundled script. */
  readonly script?: string | undefined;
  /** Waited for after the restart; default: that of the bundled script, else only that the script runs. */
  readonly channel?: string | undefined;
}

/** A change of main.py: what is done before the camera is restarted, and what is waited for after it. */
export interface MainChange {
  /** The channel that is waited for. */
  readonly channel?: string | undefined;
  before(camera: Camera, signal: AbortSignal): Promise<void>;
  after(camera: Camera, signal: AbortSignal): Promise<void>;
}

/**
 * Writes main.py, reads it back, and waits after the restart until the script runs and its channel is there. What main.py was is
 * kept on the camera for `removal`. Ends in OPTION_INVALID; its steps in SCRIPT_EXCEPTION (the camera's file system is full or
 * cannot be written), SCRIPT_FAILED (what is there differs, or it does not run), CHANNEL_MISSING (it runs without the channel),
 * CAMERA_*, or `signal.reason`.
 */
export async function installation(main: MainScript): Promise<MainChange> {
  const bundled = main.script === undefined;
  const script = main.script ?? (await readFile(packageFile('firmware/frame_channel.py'), 'utf8'));
  const channel = main.channel ?? (bundled ? BUNDLED_CHANNEL : undefined);
  const bytes = Buffer.from(await scriptText(script));
  if (bytes.length === 0 || bytes.length > MAX_SCRIPT_BYTES) {
    throw new BridgeError(
      'OPTION_INVALID',
      `A script has 1 to ${MAX_SCRIPT_BYTES} bytes, this one ${bytes.length}.`,
    );
  }
  const commit = `${PREAMBLE}${COMMIT(createHash('sha256').update(bytes).digest('hex'))}`;
  const before = async (camera: Camera, signal: AbortSignal): Promise<void> => {
    // It may be there already: then nothing is written, and what was there before the first time is kept.
    if ((await answer(camera, commit, signal)) === 'installed') return;
    for (let at = 0; at < bytes.length; at += PIECE) {
      await camera.run(writePiece(bytes.subarray(at, at + PIECE), at === 0), { signal });
    }
    if ((await answer(camera, commit, signal)) === 'installed') return;
    throw new BridgeError(
      'SCRIPT_FAILED',
      'What the camera has written differs from the script, so main.py was left as it was. Try again.',
    );
  };
  return { channel, before, after: (camera, signal) => started(camera, channel, signal) };
}

/** Puts back what main.py was before the last `installation`, or removes it where there was none. OPTION_INVALID: nothing was installed. */
export const removal: MainChange = {
  async before(camera, signal) {
    if ((await answer(camera, `${PREAMBLE}${UNDO}`, signal)) === 'undone') return;
    throw new BridgeError(
      'OPTION_INVALID',
      'Nothing was installed on this camera, so there is nothing to put back.',
    );
  },
  after: async () => undefined,
};

/** Throws OPTION_INVALID where what is installed would be gone after a restart. */
export function refuseVirtual(port: string): void {
  if (port !== 'virtual') return;
  throw new BridgeError(
    'OPTION_INVALID',
    'A camera of the port `virtual` is another one at each connection, so nothing stays installed on it. Serve one on a ' +
      'terminal with `openmv-bridge virtual`, and name that.',
    { context: { port } },
  );
}

/** Connects to a camera, makes the change, and closes it. Ends in the errors of `connectCamera` and of the change, or in `signal.reason`. */
export async function changeMain(input: CameraInput, change: MainChange, signal: AbortSignal): Promise<void> {
  const options = parseOptions(cameraOptionsSchema, input);
  refuseVirtual(options.port);
  const again = new ReconnectingCamera(options);
  const camera = await again.connect(signal);
  try {
    await change.before(camera, signal);
    await change.after(await restart(again, signal), signal);
  } finally {
    await again.camera.close();
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
    const names = (await camera.channels(signal)).map(({ name }) => name);
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
