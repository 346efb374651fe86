/** When pictures are taken: puts the script into the mode of the options, and sends triggers with their numbers. */
import { Mutex } from '../async.js';
import type { Camera } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { nextTrigger, sendTrigger } from '../frames/index.js';
import type { BridgeOptions } from '../options/index.js';
import type { SourceKind } from './script-appears.js';
import type { State } from './states.js';

/** Callers whose trigger is on its way, or waits for those before it. */
const MOST_CALLERS = 6;

export class Triggers {
  readonly #options: BridgeOptions;
  /** Names this run to the script. */
  readonly #run = Math.floor(Math.random() * 0x3fff_ffff) + 1;
  readonly #turns = new Mutex();
  #callers = 0;
  #last = 0;

  constructor(options: BridgeOptions) {
    this.#options = options;
  }

  /**
   * Puts the script that runs into the wanted mode; one that takes pictures all the time, as most do, is asked whether it does.
   * UNSUPPORTED: previews cannot be triggered; the errors of `CameraControls.trigger`.
   */
  async prepare(camera: Camera, kind: SourceKind, signal: AbortSignal): Promise<void> {
    const { trigger: mode, triggerPin, triggerEdge, stale } = this.#options;
    const keep = stale === 'deliver' ? { keep: true } : {};
    if (mode === 'free') {
      if (kind === 'frame' && (await camera.controls.triggered(signal))) {
        await camera.controls.trigger({ mode, ...keep }, signal);
      }
      return;
    }
    if (kind === 'preview') {
      throw new BridgeError(
        'UNSUPPORTED',
        'Previews cannot be triggered: their script takes pictures when it likes. Triggers need the frame channel of the bundled script.',
        { context: { options: ['trigger', 'source'] } },
      );
    }
    const pin = mode === 'pin' ? { pin: triggerPin, edge: triggerEdge } : {};
    await camera.controls.trigger({ mode, run: this.#run, ...pin, ...keep }, signal);
  }

  /** Asks for one picture; resolves to the number that its frame will have. The errors of `Bridge.trigger`. */
  async fire(camera: Camera, state: State, signal: AbortSignal): Promise<number> {
    const { trigger: mode, channel } = this.#options;
    if (mode !== 'host') {
      const why = mode === 'free' ? 'takes pictures all the time' : 'is triggered by a pin';
      throw new BridgeError(
        'OPTION_INVALID',
        `The camera ${why}: start it with triggers by the host (\`host\`) to trigger it.`,
        { context: { options: ['trigger'], trigger: mode } },
      );
    }
    if (state === 'paused') {
      throw new BridgeError('OPTION_INVALID', 'No frames are pulled now: start streaming, then trigger.');
    }
    if (state !== 'streaming') {
      throw new BridgeError('PORT_CLOSED', 'The camera is not ready now: trigger it again when it is back.');
    }
    if (this.#callers >= MOST_CALLERS) {
      throw new BridgeError(
        'CAMERA_REFUSED',
        `${MOST_CALLERS} triggers are on their way to the camera already: trigger again when one has arrived.`,
      );
    }
    this.#callers++;
    try {
      return await this.#turns.run(async () => {
        const number = nextTrigger(this.#last);
        try {
          await sendTrigger(camera, channel, number, signal);
          this.#last = number;
        } catch (error) {
          // Refused, the number is free; else the camera may have it.
          const refused = error instanceof BridgeError && error.code === 'CAMERA_REFUSED';
          if (!refused) this.#last = number;
          throw error;
        }
        return number;
      }, signal);
    } finally {
      this.#callers--;
    }
  }
}
