/** A camera's life under a bridge: frames for as long as it can be had, and getting back what was lost. */
import type { CameraKeeper } from '../camera/keeper.js';
import { asBridgeError, type BridgeError } from '../errors.js';
import type { FramePuller } from '../frames/frame-puller.js';
import { versionText } from '../protocol/index.js';
import type { BridgeEvent } from './events.js';
import type { LastingSettings } from './lasting-settings.js';
import type { BridgeOptions } from './options.js';
import type { ScriptTurns } from './script-turns.js';

export class CameraLife {
  readonly #keeper: CameraKeeper;
  readonly #puller: FramePuller;
  readonly #turns: ScriptTurns;
  readonly #settings: LastingSettings;
  readonly #options: BridgeOptions;
  readonly #emit: (event: BridgeEvent) => void;
  /** The same over reconnections. */
  readonly #cameraId: string;

  constructor(
    keeper: CameraKeeper,
    puller: FramePuller,
    turns: ScriptTurns,
    settings: LastingSettings,
    options: BridgeOptions,
    emit: (event: BridgeEvent) => void,
  ) {
    this.#keeper = keeper;
    this.#puller = puller;
    this.#turns = turns;
    this.#settings = settings;
    this.#options = options;
    this.#emit = emit;
    this.#cameraId = keeper.camera.id;
  }

  /** Says who is there, and listens to what its script prints. Once for each connection. */
  welcome(): void {
    const cameraId = this.#cameraId;
    const { camera } = this.#keeper;
    const { port, version, link } = camera.info();
    this.#emit({
      type: 'connected',
      port,
      cameraId,
      protocolVersion: versionText(version.protocol),
      firmwareVersion: versionText(version.firmware),
      maxPayload: link.maxPayload,
      ack: link.ack,
    });
    camera.stdout$.subscribe((text) => {
      this.#emit({ type: 'stdout', cameraId, text });
    });
  }

  /** Resolves when the puller was stopped or `signal` says so; rejects when the camera is lost for good. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!this.#turns.replaced) await this.#settings.hold();
        await this.#puller.run(this.#keeper.camera);
        return;
      } catch (error) {
        if (!signal.aborted) await this.#recover(asBridgeError(error), signal);
      }
    }
  }

  /** Gets back the channel or the whole camera; throws when that is not to be. */
  async #recover(error: BridgeError, signal: AbortSignal): Promise<void> {
    const { camera } = this.#keeper;
    if (camera.connected && error.code === 'CHANNEL_MISSING') {
      if (this.#turns.replaced) return;
      this.#emit({ type: 'error', cameraId: this.#cameraId, error });
      if (await this.#restore()) return;
    }
    await this.#reconnect(camera.lost ?? error, signal);
  }

  async #reconnect(lost: BridgeError, signal: AbortSignal): Promise<void> {
    const { reconnect } = this.#options;
    const attempts = reconnect === true ? Number.POSITIVE_INFINITY : Number(reconnect);
    const cameraId = this.#cameraId;
    let told: string | undefined;
    const failed = (error: BridgeError): void => {
      // Said once for each reason, not for every attempt.
      if (error.code !== told) this.#emit({ type: 'error', cameraId, error });
      told = error.code;
    };
    do {
      this.#emit({ type: 'disconnected', cameraId, code: lost.code, message: lost.message });
      if (attempts === 0) throw lost;
      await this.#keeper.reconnect(attempts, signal, failed);
      this.welcome();
    } while (!(await this.#restore()));
  }

  /** false: the camera went away meanwhile. */
  async #restore(): Promise<boolean> {
    const { camera } = this.#keeper;
    try {
      await this.#turns.restore();
      return true;
    } catch (error) {
      if (camera.connected) throw error;
      return false;
    }
  }
}
