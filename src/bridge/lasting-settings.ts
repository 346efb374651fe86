/** Makes a camera's settings again when its script has begun anew: after a reconnection, or after another start of the script. */
import type { Camera } from '../camera/camera.js';
import type { CameraKeeper } from '../camera/keeper.js';
import { asBridgeError, BridgeError } from '../errors.js';

export class LastingSettings {
  readonly #keeper: CameraKeeper;
  readonly #channel: string;
  readonly #failed: (error: BridgeError) => void;
  /** The script that has them: of which connection, and after how many restarts. */
  #camera: Camera;
  #restarts: number;
  #under: { readonly camera: Camera; readonly done: Promise<void> } | undefined;

  /** `channel`: the frame channel, which a script registers behind its others. `failed` is told what is not in force. */
  constructor(keeper: CameraKeeper, channel: string, failed: (error: BridgeError) => void) {
    this.#keeper = keeper;
    this.#channel = channel;
    this.#failed = failed;
    this.#camera = keeper.camera;
    this.#restarts = keeper.camera.restarts;
  }

  /** Resolves when the script has the settings, or is known not to take them; never rejects. At once if it has them. */
  hold(): Promise<void> {
    const { camera } = this.#keeper;
    if (this.#camera === camera && this.#restarts === camera.restarts) return Promise.resolve();
    if (this.#under?.camera !== camera) {
      const done = this.#restore(camera).finally(() => {
        if (this.#under?.camera === camera) this.#under = undefined;
      });
      this.#under = { camera, done };
    }
    return this.#under.done;
  }

  async #restore(camera: Camera): Promise<void> {
    const { restarts } = camera;
    try {
      if (camera.controls.changed) {
        // Without a script there is nothing to set: whoever needs the channel says so, and sends one.
        if (!(await isThere(camera, this.#channel))) return;
        await camera.controls.restore();
      }
    } catch (cause) {
      // Gone in the middle: they are made again when it is back.
      if (!camera.connected || camera.restarts !== restarts) return;
      const { code, message, context } = asBridgeError(cause);
      this.#failed(
        new BridgeError(
          code,
          `The camera's script has begun anew, and settings made before are not all in force again: ${message}`,
          { context, cause },
        ),
      );
    }
    this.#camera = camera;
    this.#restarts = restarts;
  }
}

async function isThere(camera: Camera, name: string): Promise<boolean> {
  return (await camera.channels()).some((channel) => channel.name === name);
}
