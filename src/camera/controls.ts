/** `camera.controls`: settings of the sensor while its script runs. */
import { BridgeError } from '../errors.js';
import { Channel } from './channel.js';
import { ControlRequests } from './control-request.js';
import {
  type ControlSettings,
  type ControlValues,
  controlSettingsSchema,
  replyValuesSchema,
  requestSettings,
} from './controls-values.js';
import { parseOptions } from './options.js';
import type { Session } from './session.js';

/** The channel that firmware/frame_channel.py registers for settings. */
export const CONTROL_CHANNEL = 'control';

export class CameraControls {
  readonly #requests: ControlRequests;

  /** Use `camera.controls`. */
  constructor(session: Session) {
    this.#requests = new ControlRequests(new Channel(CONTROL_CHANNEL, session), session);
  }

  /**
   * Changes settings; those that the sensor takes are in force even when others are refused. A new pixel format or
   * frame size has been proven by a picture when it resolves; when none can be taken, the camera has gone back to the
   * old one. OPTION_INVALID: out of range; CAMERA_REFUSED: the sensor's own words, by setting in `context.errors`;
   * CHANNEL_MISSING: the script has no control channel; CAMERA_*, PORT_CLOSED.
   */
  async set(settings: ControlSettings): Promise<void> {
    const checked = parseOptions(controlSettingsSchema, settings);
    refuse((await this.#requests.send({ set: requestSettings(checked) })).errors);
  }

  /** All settings. CHANNEL_MISSING, CAMERA_*, PORT_CLOSED. */
  async get(): Promise<ControlValues> {
    const { errors, values } = await this.#requests.send({ get: true });
    refuse(errors);
    const parsed = replyValuesSchema.safeParse(values);
    if (parsed.success) return parsed.data;
    throw new BridgeError('CAMERA_PROTOCOL', "The camera's settings came in an unknown form.", {
      context: { problems: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) },
    });
  }

  /** Lets go of a picture that has waited for a while without being fetched: the next one is of now. */
  async refresh(): Promise<void> {
    refuse((await this.#requests.send({ set: {} })).errors);
  }
}

/** The script's names of settings that are called otherwise here. */
const NAMES: Readonly<Record<string, string>> = {
  whitebalance: 'white balance',
  form: 'frame size or pixel format',
  ehdr: 'eHDR',
};

function refuse(errors: Readonly<Record<string, string>> | undefined): void {
  if (!errors) return;
  const said = Object.entries(errors).map(([name, text]) => `${NAMES[name] ?? name}: ${text}`);
  throw new BridgeError('CAMERA_REFUSED', `The camera refused ${said.join('; ')}`, { context: { errors } });
}
