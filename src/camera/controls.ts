/** `camera.controls`: settings of the sensor while its script runs. */
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { parseOptions } from '../options/index.js';
import { Channel } from './channel.js';
import { ControlRequests } from './control-request.js';
import {
  type CheckedSettings,
  type ControlSettings,
  type ControlValues,
  controlSettingsSchema,
  replyValuesSchema,
  requestSettings,
} from './controls-values.js';
import type { Session } from './session.js';

/** The channel that firmware/frame_channel.py registers for settings. */
export const CONTROL_CHANNEL = 'control';
/** The script gives up a frame that no host has read from for 300 ms, when it is asked to. */
const GIVEN_UP_MS = 320;

/** Settings that change the form of frames. */
const FORM = new Set(['pixformat', 'framesize']);

/** As the bundled script understands it. `run`: names who asks, so that what an earlier program asked for is forgotten. */
export interface TriggerRequest {
  readonly mode: 'free' | 'host' | 'pin';
  readonly run?: number;
  readonly pin?: string;
  readonly edge?: 'rising' | 'falling';
  /** What was captured before stays, without the numbers of its triggers. */
  readonly keep?: boolean;
}

type Errors = Readonly<Record<string, string>>;

export class CameraControls {
  readonly #session: Session;
  readonly #requests: ControlRequests;
  /** What the camera has taken: the last value of each setting. All connections to it share the object. */
  #kept: { all: CheckedSettings } = { all: {} };

  /** Use `camera.controls`. */
  constructor(session: Session) {
    this.#session = session;
    this.#requests = new ControlRequests(new Channel(CONTROL_CHANNEL, session), session);
  }

  /**
   * Changes settings; those that the sensor takes are in force even when others are refused. A new pixel format or
   * frame size has been proven by a capture when it resolves; when none can be taken, the camera has gone back to the
   * old one. OPTION_INVALID: out of range; CAMERA_REFUSED: the sensor's own words, by setting in `context.errors`;
   * CHANNEL_MISSING: the script has no control channel; CAMERA_*, PORT_CLOSED.
   */
  async set(settings: ControlSettings, signal?: AbortSignal): Promise<void> {
    const checked = parseOptions(controlSettingsSchema, settings);
    const { errors } = await this.#set(() => checked, signal);
    this.#keep(checked, errors);
    if (isTemperature(checked.whiteBalance)) await this.#keepGains(checked.whiteBalance, signal);
    refuse(errors);
  }

  /** All settings. CHANNEL_MISSING, CAMERA_*, PORT_CLOSED. */
  async get(signal?: AbortSignal): Promise<ControlValues> {
    const { errors, values } = await this.#requests.send(() => ({ get: true }), signal);
    refuse(errors);
    const parsed = replyValuesSchema.safeParse(values);
    if (parsed.success) return parsed.data;
    throw new BridgeError('CAMERA_PROTOCOL', "The camera's settings came in an unknown form.", {
      context: { problems: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) },
    });
  }

  /** Gives up a latched frame that has waited for a while: the next one shows the present. */
  async refresh(signal?: AbortSignal): Promise<void> {
    refuse((await this.#set(() => ({}), signal)).errors);
  }

  /**
   * When the script takes pictures. The same request once more changes nothing; another one forgets the triggers that wait.
   * CAMERA_REFUSED: the script has no such pin, or takes no triggers; CHANNEL_MISSING, CAMERA_*, PORT_CLOSED.
   */
  async trigger(wanted: TriggerRequest, signal?: AbortSignal): Promise<void> {
    const reply = await this.#requests.send(() => ({ trigger: wanted }), signal);
    const problem = reply.errors?.['request'];
    if (problem === undefined && reply.trigger === wanted.mode) return;
    throw new BridgeError(
      'CAMERA_REFUSED',
      problem === undefined
        ? 'The script on the camera takes no triggers: it is older than this program. Send the one of this version to it.'
        : `The camera cannot be triggered so: ${problem}`,
      { context: { wanted, errors: reply.errors } },
    );
  }

  /** Whether the script that runs takes pictures only for triggers; false also for a script without a control channel. */
  async triggered(signal?: AbortSignal): Promise<boolean> {
    return ((await this.#requests.shape(signal))?.[2] ?? 0) !== 0;
  }

  /** Frames per second that were set, by this program; undefined: none were. */
  get framerate(): number | undefined {
    return this.#kept.all.framerate;
  }

  /** Whether `restore` has anything to do. */
  get changed(): boolean {
    return Object.keys(this.#kept.all).length > 0;
  }

  /** Goes on from another connection to the same camera: what was set there counts as set here. */
  takeOver(before: CameraControls): void {
    this.#kept = before.#kept;
  }

  /**
   * Makes all settings again that the camera has taken, for a script that has started again; the next frame shows
   * them. Nothing is asked of the camera when there are none. Ends as `set` does, after what is not refused is in force.
   */
  async restore(signal?: AbortSignal): Promise<void> {
    if (!this.changed) return;
    const part = (form: boolean) => (): CheckedSettings => {
      const { pixformat, framesize, ...others } = this.#kept.all;
      return form ? { pixformat, framesize } : others;
    };
    // The form first: with a refusal among the others the script would leave it out, and a sensor may reset others with it.
    const { pixformat, framesize } = this.#kept.all;
    const form = pixformat || framesize ? (await this.#set(part(true), signal)).errors : {};
    const { errors } = await this.#set(part(false), signal);
    await pause(GIVEN_UP_MS, signal, this.#session.clock);
    await this.refresh(signal);
    const all = { ...form, ...errors };
    refuse(Object.keys(all).length > 0 ? all : undefined);
  }

  #set(settings: () => CheckedSettings, signal?: AbortSignal): Promise<{ errors?: Errors | undefined }> {
    return this.#requests.send(() => ({ set: requestSettings(settings()) }), signal);
  }

  /** `errors`: of the reply, by the script's names of settings. */
  #keep(settings: CheckedSettings, errors: Errors = {}): void {
    if (errors['request'] !== undefined) return;
    const refused = new Set(Object.keys(errors));
    const taken = Object.fromEntries(
      Object.entries(settings).filter(
        // The script changes the form only when it takes all other settings of the request.
        ([name, value]) =>
          value !== undefined && !refused.has(name.toLowerCase()) && !(refused.size > 0 && FORM.has(name)),
      ),
    ) as CheckedSettings;
    const ehdr = { ...this.#kept.all.ehdr, ...taken.ehdr };
    this.#kept.all = { ...this.#kept.all, ...taken, ...(taken.ehdr && { ehdr }) };
  }

  /**
   * A temperature is a shift from where automatic white balance stood: from a script's first frame it would lead
   * elsewhere.
   */
  async #keepGains(
    asked: NonNullable<CheckedSettings['whiteBalance']>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { whiteBalance } = await this.get(signal).catch(() => ({ whiteBalance: null }));
    signal?.throwIfAborted();
    const gains = controlSettingsSchema.shape.whiteBalance.safeParse(whiteBalance?.rgbDb);
    // Unless it was set again since.
    if (whiteBalance?.auto === false && gains.data && this.#kept.all.whiteBalance === asked) {
      this.#kept.all = { ...this.#kept.all, whiteBalance: gains.data };
    }
  }
}

function isTemperature(balance: CheckedSettings['whiteBalance']): balance is { temperature: number } {
  return typeof balance === 'object' && 'temperature' in balance;
}

/** The script's names of settings that are called otherwise here. */
const NAMES: Readonly<Record<string, string>> = {
  whitebalance: 'white balance',
  form: 'frame size or pixel format',
  ehdr: 'eHDR',
};

function refuse(errors: Errors | undefined): void {
  if (!errors) return;
  const said = Object.entries(errors).map(([name, text]) => `${NAMES[name] ?? name}: ${text}`);
  throw new BridgeError('CAMERA_REFUSED', `The camera refused ${said.join('; ')}`, { context: { errors } });
}
