/** What each state of a connection does until it is left, and which transition it leads to. */
import { abortable } from '../async.js';
import { type Camera, type LineSettings, mayCome, mayPass, ReconnectingCamera } from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { type Source, scriptEnded } from '../frames/index.js';
import { type BridgeOptions, cameraPart } from '../options/index.js';
import { noCamera } from '../replay/index.js';
import { FrameScript } from './frame-script.js';
import { oncePerReason } from './reports.js';
import type { SourceKind } from './script-appears.js';
import type { Transition } from './states.js';
import { Triggers } from './triggers.js';

export interface ConnectionHandlers {
  /** A connection was made: the first one, or another one after `disconnected`. */
  connected(camera: Camera): void;
  disconnected(error: BridgeError): void;
  /** The recording that took the camera's place is over. */
  ended(): void;
  /** The camera is not there, and waited for; once for each reason. */
  waiting(error: BridgeError): void;
  /** Frames come from elsewhere than before, because of the script that runs. */
  source(kind: SourceKind): void;
  /** Something failed that does not end the connection. */
  failed(error: BridgeError): void;
  /** An error that no waiting helps against has closed the connection. */
  failedForGood(error: BridgeError): void;
}

/** `recorded`: frames of a recording, which has no script that would give them. */
export type Sources = Readonly<Record<SourceKind | 'recorded', Source>>;

/** Who wants frames. */
export class Demand {
  /** They are wanted until further notice. */
  wanted = false;
  /** Callers that want one frame. */
  borrowed = 0;
  /** A caller waits for the preparation: its failure is the caller's, and does not end the connection. */
  asked: { refusal?: BridgeError } | undefined;

  get frames(): boolean {
    return this.wanted || this.borrowed > 0;
  }
}

export class Activities {
  /** The camera, over all its connections. */
  readonly again: ReconnectingCamera;
  readonly script: FrameScript;
  readonly triggers: Triggers;
  readonly #options: BridgeOptions;
  readonly #sources: Sources;
  readonly #handlers: ConnectionHandlers;
  readonly #line: LineSettings;
  readonly #demand: Demand;
  #kind: SourceKind;
  #lost: BridgeError | undefined;

  constructor(
    options: BridgeOptions,
    sources: Sources,
    handlers: ConnectionHandlers,
    line: LineSettings,
    demand: Demand,
  ) {
    this.#options = options;
    this.#sources = sources;
    this.#handlers = handlers;
    this.#line = line;
    this.#demand = demand;
    this.#kind = options.source ?? 'frame';
    this.again = new ReconnectingCamera(cameraPart(options), undefined, line);
    this.script = new FrameScript(options, handlers.failed);
    this.triggers = new Triggers(options);
  }

  /** Makes the first connection. */
  async opening(signal: AbortSignal): Promise<Transition> {
    let camera: Camera;
    try {
      camera = await this.again.connect(signal);
    } catch (cause) {
      signal.throwIfAborted();
      const error = asBridgeError(cause);
      if (!this.#options.wait || !mayCome(error)) throw error;
      const failed = oncePerReason(this.#handlers.waiting);
      failed(error);
      camera = await this.again.waitFor({ attempts: this.#attempts, signal, failed });
    }
    return this.#welcome(camera, signal);
  }

  /** Looks for the camera until it is back. */
  async reconnecting(signal: AbortSignal): Promise<Transition> {
    const { reconnect } = this.#options;
    const lost = this.#lost ?? goneError();
    this.#handlers.disconnected(lost);
    if (lost.code === 'RECORDING_ENDED') {
      this.#handlers.ended();
      await abortable(new Promise<never>(() => undefined), signal);
    }
    if (reconnect === false || !mayPass(lost)) throw lost;
    const failed = oncePerReason(this.#handlers.failed);
    const camera = await this.again.reconnect({ attempts: this.#attempts, signal, failed });
    return this.#welcome(camera, signal);
  }

  async #welcome(camera: Camera, signal: AbortSignal): Promise<Transition> {
    if (signal.aborted) await camera.close();
    signal.throwIfAborted();
    this.#handlers.connected(camera);
    return 'connected';
  }

  /** Makes sure of the script, with its settings and its mode. */
  async preparing(signal: AbortSignal): Promise<Transition> {
    const { camera } = this.again;
    try {
      if (this.framesOnly) this.#refuseCommands();
      else await this.#prepareScript(camera, signal);
    } catch (cause) {
      signal.throwIfAborted();
      const error = asBridgeError(cause);
      if (!camera.connected) {
        this.#lost = camera.lost ?? error;
        return 'lost';
      }
      const { asked } = this.#demand;
      if (!asked) throw error;
      asked.refusal = error;
      return 'pause';
    }
    return this.#demand.frames ? 'stream' : 'pause';
  }

  async #prepareScript(camera: Camera, signal: AbortSignal): Promise<void> {
    const kind = await this.script.prepare(camera, signal);
    if (kind !== this.#kind) this.#handlers.source(kind);
    this.#kind = kind;
    // Not while a script of a caller's has its place.
    if (!this.script.isReplaced) await this.triggers.prepare(camera, kind, signal);
  }

  /** Frames come from a recording: no camera is behind the connection. */
  get framesOnly(): boolean {
    return this.#line.replay?.frames !== undefined;
  }

  /** Throws UNSUPPORTED when the options want something of the camera that a recording of frames cannot do. */
  #refuseCommands(): void {
    const { trigger, script } = this.#options;
    const options = [
      ...(trigger === 'free' ? [] : ['trigger']),
      ...(typeof script === 'string' ? ['script'] : []),
    ];
    if (options.length > 0)
      throw new BridgeError('UNSUPPORTED', noCamera().message, { context: { options } });
  }

  /** Pulls frames. */
  async streaming(signal: AbortSignal): Promise<Transition> {
    const { camera } = this.again;
    try {
      const kind = this.#kind;
      await this.#sources[this.framesOnly ? 'recorded' : kind].run(camera, signal);
      signal.throwIfAborted();
      // The interpreter has restarted. Without its channel, or any other, the script is gone, which is worth telling.
      if (kind === 'frame') await camera.channel(this.#options.channel).id();
      else if (!(await camera.running(signal))) throw scriptEnded();
      return 'prepare';
    } catch (cause) {
      const error = asBridgeError(cause);
      if (camera.connected && error.code === 'CHANNEL_MISSING') {
        this.#handlers.failed(error);
        return 'prepare';
      }
      // A defect of this program is not cured by another connection.
      if (!mayPass(error)) throw error;
      this.#lost = camera.lost ?? error;
      return 'lost';
    }
  }

  /** Waits for the end of the line. */
  async paused(signal: AbortSignal): Promise<Transition> {
    this.#lost = (await abortable(this.again.camera.ended, signal)) ?? goneError();
    return 'lost';
  }

  /** Attempts to connect in a row that may fail. */
  get #attempts(): number {
    const { reconnect } = this.#options;
    return typeof reconnect === 'number' ? reconnect : Number.POSITIVE_INFINITY;
  }
}

const goneError = (): BridgeError => new BridgeError('PORT_CLOSED', 'The connection to the camera ended.');
