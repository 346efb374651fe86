/**
 * The script that gives frames, through its channel or as previews: sends it when it is needed, and puts the camera's settings back
 * after it has restarted.
 */
import { readFile } from 'node:fs/promises';
import type { Camera } from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { readProblem } from '../files.js';
import { scriptEnded } from '../frames/index.js';
import type { BridgeOptions } from '../options/index.js';
import { packageFile } from '../package.js';
import { appears, channelId, NONE, type SourceKind } from './script-appears.js';
import { ScriptOutput } from './script-output.js';

/** The channel that the bundled script registers. */
const BUNDLED_CHANNEL = 'frame';
/** A script that runs already may be about to register its channel, as a camera's main.py after power-up. */
const GRACE_MS = 1_500;
/** From a script's start to its channel: a sensor takes up to a few seconds to settle. */
const REGISTER_MS = 15_000;
/**
 * A script of the user's has no channel: after this time its pictures count. One that registers a channel may take pictures before,
 * while the sensor settles.
 */
const SETTLE_MS = 3_000;

export class FrameScript {
  readonly #options: BridgeOptions;
  readonly #failed: (error: BridgeError) => void;
  #prepared = false;
  #kind: SourceKind;
  /** The channel that was there before the script was sent: of a script that was stopped, until the interpreter restarts. */
  #left: { readonly camera: Camera; readonly restarts: number; readonly id: number } | undefined;
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
    this.#kind = options.source ?? 'frame';
    this.#failed = failed;
  }

  /** A caller stops the script, or runs another one, on this connection. */
  replaced(camera: Camera): void {
    this.#replacedOn = camera;
  }

  /** Whether a caller's script, or none, is in its place. */
  get isReplaced(): boolean {
    return this.#replacedOn !== undefined;
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
   * Makes sure that the script runs, with the settings made before, and says where its frames come from. Resolves at once while
   * another script has its place and no frames are wanted. CHANNEL_MISSING when no script may be sent; SCRIPT_FAILED with the
   * script's output when it gives no frames; FILE_FAILED; CAMERA_*; `signal.reason`.
   */
  async prepare(camera: Camera, signal: AbortSignal): Promise<SourceKind> {
    const resume = this.#resume;
    if (this.#replacedOn && !resume) return this.#kind;
    const replaced = this.#replacedOn === camera;
    this.#kind = await this.#run(camera, replaced, signal);
    this.#prepared = true;
    this.#replacedOn = undefined;
    this.#resume = false;
    // The script lets go of a picture that has waited; one without a control channel cannot.
    if (resume && this.#options.stale === 'drop') await camera.controls.refresh(signal).catch(asBridgeError);
    await this.#settle(camera, signal);
    return this.#kind;
  }

  async #run(camera: Camera, replaced: boolean, signal: AbortSignal): Promise<SourceKind> {
    const options = this.#options;
    const own = !this.#prepared && typeof options.script === 'string';
    const path = scriptOf(options);
    if (options.source === 'preview') {
      // Any script gives previews: the one that a caller has put in its place as well.
      if (own || !(await takesPictures(camera, options, replaced, signal))) {
        if (path === undefined) throw scriptEnded();
        await this.#send(camera, path, signal);
      }
      return 'preview';
    }
    const send = path !== undefined && (replaced || own);
    const found = send ? undefined : await this.#find(camera, path, signal);
    if (found) return found;
    if (path !== undefined) return this.#send(camera, path, signal);
    // Which of the two is missing: the channel, or the script behind it.
    await camera.channel(options.channel).id();
    throw scriptEnded(options.channel);
  }

  /** Whether the script that runs has a frame channel now. */
  async hasChannel(camera: Camera): Promise<boolean> {
    return (await channelId(camera, this.#options.channel)) > this.#above(camera);
  }

  /**
   * What a script that runs gives frames by; undefined: none does. A channel counts only while a script runs: a stopped one leaves
   * its channels, which still answer.
   */
  async #find(
    camera: Camera,
    path: string | undefined,
    signal: AbortSignal,
  ): Promise<SourceKind | undefined> {
    const ms = path === undefined ? REGISTER_MS : (await camera.running(signal)) ? GRACE_MS : 0;
    return appears(camera, this.#options.channel, {
      ms,
      previewAfter: this.#kind === 'preview' ? 0 : previewAfter(this.#options),
      above: this.#above(camera),
      signal,
    });
  }

  async #send(camera: Camera, path: string, signal: AbortSignal): Promise<SourceKind> {
    const { kind, left, restarts } = await run(camera, this.#options, path, signal);
    this.#left = { camera, restarts, id: left };
    return kind;
  }

  /** Channels up to this id are left from a script that was stopped. */
  #above(camera: Camera): number {
    const left = this.#left;
    return left?.camera === camera && left.restarts === camera.restarts ? left.id : NONE;
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
function scriptOf({ script, channel, source }: BridgeOptions): string | undefined {
  if (typeof script === 'string') return script;
  if (script === false) return undefined;
  if (source === 'preview') return packageFile('firmware/examples/preview_only.py');
  return channel === BUNDLED_CHANNEL ? packageFile('firmware/frame_channel.py') : undefined;
}

/** Whether a preview may take the place of a channel that a script of the user's does not have. */
function previewAfter({ script, channel, source }: BridgeOptions): number {
  const wanted = source === undefined && script !== undefined && channel === BUNDLED_CHANNEL;
  return wanted ? SETTLE_MS : Number.POSITIVE_INFINITY;
}

/**
 * Whether a script runs that need not be replaced to have previews. The bundled one takes no pictures as long as no host reads
 * its channel: it is replaced where that is allowed, unless a caller has just put it there.
 */
async function takesPictures(
  camera: Camera,
  { script, channel }: BridgeOptions,
  replaced: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  if (script !== undefined || replaced) {
    const ms = script === false ? REGISTER_MS : 0;
    return (await appears(camera, undefined, { ms, anyScript: true, signal })) !== undefined;
  }
  if (!(await camera.running(signal))) return false;
  // A channel may be left from a script that was stopped before this one.
  const found = await appears(camera, undefined, { ms: GRACE_MS, previewAfter: 0, signal });
  if (found) return true;
  const channels = await camera.channels();
  return !channels.some(({ name }) => name === channel) && camera.running(signal);
}

interface Started {
  readonly kind: SourceKind;
  /** Id of the channel that an earlier script has left, and the camera's restarts when this one had started. */
  readonly left: number;
  readonly restarts: number;
}

/** Stops what runs, starts the script, and waits for what it gives frames by. */
async function run(
  camera: Camera,
  options: BridgeOptions,
  path: string,
  signal: AbortSignal,
): Promise<Started> {
  const { channel, source } = options;
  let script: string;
  try {
    script = await readFile(path, { encoding: 'utf8', signal });
  } catch (cause) {
    signal.throwIfAborted();
    const problem = readProblem(cause);
    throw new BridgeError('OPTION_INVALID', `The script ${path} cannot be read: ${problem}.`, { cause });
  }
  await camera.stop(signal);
  const above = await channelId(camera, channel);
  const printed = new ScriptOutput(camera);
  try {
    await camera.exec(script, signal);
    const started = { left: above, restarts: camera.restarts };
    const preview = source === 'preview';
    const after = previewAfter(options);
    const found = preview
      ? await appears(camera, undefined, { ms: SETTLE_MS, previewAfter: 0, whileRunning: true, signal })
      : await appears(camera, channel, {
          ms: REGISTER_MS,
          previewAfter: after,
          above,
          whileRunning: true,
          signal,
        });
    if (found) return { kind: found, ...started };
    // It may take its first picture much later.
    if (preview && (await camera.running(signal))) return { kind: 'preview', ...started };
    const output = await printed.complete(signal);
    const missing = preview
      ? 'has ended, so it takes no more pictures'
      : `registered no channel \`${channel}\` on the camera${Number.isFinite(after) ? ', and took no pictures either' : ''}`;
    throw new BridgeError(
      'SCRIPT_FAILED',
      `The script ${path} ${missing}.${output ? ` It printed:\n${output}` : ''}`,
      { context: { script: path, channel, output } },
    );
  } finally {
    printed.close();
  }
}
