/** What runs on the camera, and whether its frames are pulled: changes of it one after the other, whoever asks for them. */
import { firstValueFrom, type Observable, timeout } from 'rxjs';
import type { CameraKeeper } from '../camera/keeper.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';
import { reloadScript, restoreChannel } from './frame-script.js';
import type { LastingSettings } from './lasting-settings.js';
import type { BridgeOptions } from './options.js';
import type { Streaming } from './streaming.js';

export class ScriptTurns {
  readonly #keeper: CameraKeeper;
  readonly #options: BridgeOptions;
  readonly #streaming: Streaming;
  readonly #settings: LastingSettings;
  #last: Promise<unknown> = Promise.resolve();
  #replaced = false;
  /** Whether the turn is one that waits for a frame. */
  #waiting = false;

  constructor(keeper: CameraKeeper, options: BridgeOptions, streaming: Streaming, settings: LastingSettings) {
    this.#keeper = keeper;
    this.#options = options;
    this.#streaming = streaming;
    this.#settings = settings;
  }

  /** Whether the frame script was stopped, or another one has its place, because somebody wished so. */
  get replaced(): boolean {
    return this.#replaced;
  }

  /** Frames from now on; the frame script first, if it was replaced. */
  start(): Promise<void> {
    return this.#next(async () => {
      await this.#prepare();
      await this.#streaming.start();
    });
  }

  /** No more frames. */
  stop(): Promise<void> {
    return this.#next(() => this.#streaming.stop());
  }

  /** Another script in the place of the frame script. */
  exec(script: string): Promise<void> {
    return this.#next(() => {
      this.#replace();
      return this.#keeper.camera.exec(script);
    });
  }

  /** No script at all. */
  stopScript(): Promise<void> {
    return this.#next(() => {
      this.#replace();
      return this.#keeper.camera.stop();
    });
  }

  /** The next frame of the bridge; while nothing streams one is pulled. CAMERA_SILENT: none came within `ms`. */
  frame(frames: Observable<Frame>, ms: number): Promise<Frame> {
    // Not in a turn while frames flow anyway: getting them back, if they stop, may need one.
    if (this.#streaming.active) return this.#frame(frames, ms);
    return this.#next(async () => {
      this.#waiting = true;
      try {
        await this.#prepare();
        return await this.#streaming.lend(() => this.#frame(frames, ms));
      } finally {
        this.#waiting = false;
      }
    });
  }

  /** After the frame channel has gone: sends the script again if it was not replaced. The errors of `restoreChannel`. */
  restore(): Promise<void> {
    const restore = async (): Promise<void> => {
      if (!this.#replaced) await restoreChannel(this.#keeper.camera, this.#options);
    };
    return this.#waiting ? restore() : this.#next(restore);
  }

  /** Makes sure of the frame script, and that the next picture is of now. */
  async #prepare(): Promise<void> {
    const { camera } = this.#keeper;
    if (this.#replaced && !camera.connected) {
      // It gets its frame script when it is back.
      this.#replaced = false;
    } else if (this.#replaced) {
      await reloadScript(camera, this.#options);
      this.#replaced = false;
      await this.#settings.hold();
    } else if (!this.#streaming.active) {
      await camera.controls.refresh().catch(asBridgeError);
    }
  }

  async #frame(frames: Observable<Frame>, ms: number): Promise<Frame> {
    try {
      return await firstValueFrom(frames.pipe(timeout(ms)));
    } catch (cause) {
      const why = this.#keeper.camera.connected ? '' : ': the camera is not connected';
      throw new BridgeError('CAMERA_SILENT', `No frame came within ${ms / 1_000} s${why}.`, { cause });
    }
  }

  #replace(): void {
    if (this.#streaming.active) {
      throw new BridgeError(
        'OPTION_INVALID',
        'The script cannot be changed while streaming is active, for the frames come from it: stop streaming (stop_stream) first.',
      );
    }
    if (!this.#keeper.camera.connected) {
      throw new BridgeError(
        'PORT_CLOSED',
        'The camera is not connected now: its script can be changed when it is back.',
      );
    }
    this.#replaced = true;
  }

  #next<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
