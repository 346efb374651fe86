/** The life cycle of a bridge's camera: what each state does, and the commands that lead from one to another. */
import { abortable, Mutex, within } from '../async.js';
import {
  type Camera,
  type LineSettings,
  mayCome,
  mayPass,
  ReconnectingCamera,
  resetAndLeave,
} from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { type Source, scriptEnded } from '../frames/index.js';
import { type BridgeOptions, cameraPart } from '../options/index.js';
import { noCamera } from '../replay/index.js';
import { FrameScript } from './frame-script.js';
import { closedError, Machine } from './machine.js';
import { oncePerReason } from './reports.js';
import type { SourceKind } from './script-appears.js';
import type { State, Transition } from './states.js';
import { Triggers } from './triggers.js';

/** How long a camera may take to come back after a restart. */
const RESTART_MS = 30_000;

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
type Sources = Readonly<Record<SourceKind | 'recorded', Source>>;

export class Connection {
  readonly #options: BridgeOptions;
  readonly #sources: Sources;
  readonly #line: LineSettings;
  #kind: SourceKind;
  readonly #handlers: ConnectionHandlers;
  readonly #camera: ReconnectingCamera;
  readonly #script: FrameScript;
  readonly #triggers: Triggers;
  readonly #machine: Machine;
  readonly #commands = new Mutex();
  /** Whether frames are wanted until further notice, and how many callers want one frame. */
  #wanted = false;
  #borrowed = 0;
  /** A caller waits for the preparation: its failure is the caller's, and does not end the connection. */
  #asked: { refusal?: BridgeError } | undefined;
  #lost: BridgeError | undefined;

  constructor(
    options: BridgeOptions,
    sources: Sources,
    handlers: ConnectionHandlers,
    line: LineSettings = {},
  ) {
    this.#options = options;
    this.#sources = sources;
    this.#line = line;
    this.#kind = options.source ?? 'frame';
    this.#handlers = handlers;
    this.#camera = new ReconnectingCamera(cameraPart(options), undefined, line);
    this.#script = new FrameScript(options, handlers.failed);
    this.#triggers = new Triggers(options);
    this.#machine = new Machine(
      {
        opening: (signal) => this.#opening(signal),
        preparing: (signal) => this.#preparing(signal),
        streaming: (signal) => this.#streaming(signal),
        paused: (signal) => this.#paused(signal),
        reconnecting: (signal) => this.#reconnecting(signal),
      },
      handlers.failedForGood,
    );
  }

  get state(): State {
    return this.#machine.state;
  }

  /** The camera; another object after each reconnection. PORT_CLOSED before the first. */
  get camera(): Camera {
    return this.#camera.camera;
  }

  /** Whether there has been a connection. */
  get known(): boolean {
    return this.#camera.known;
  }

  /** Whether frames are pulled, or will be when the camera is back. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Asks for one picture. The errors of `Bridge.trigger`. */
  async trigger(): Promise<number> {
    this.check();
    if (this.#framesOnly) throw noCamera();
    return this.#triggers.fire(this.camera, this.state, this.signal);
  }

  /** Whether the script that runs has a frame channel: of use to a source that does without. */
  hasChannel(camera: Camera): Promise<boolean> {
    return this.#script.hasChannel(camera);
  }

  /** Aborted when the connection is closed; the reason is BRIDGE_CLOSED, or the error that closed it. */
  get signal(): AbortSignal {
    return this.#machine.signal;
  }

  /** Throws BRIDGE_CLOSED when closed. */
  check(): void {
    this.#machine.check();
  }

  /** Connects. Resolves when the camera answers; its script is prepared from then on. The errors of `connectCamera`. */
  async open(): Promise<void> {
    this.check();
    this.#machine.go('open');
    await this.#machine.until(() => this.#camera.known);
  }

  /** Resolves when the script gives frames. CHANNEL_MISSING, SCRIPT_FAILED, FILE_FAILED. */
  prepared(): Promise<void> {
    return this.#machine.until(() => this.#ready);
  }

  /**
   * Pulls frames from now on, the first one newer than the last stop where the script has a control channel; while the
   * camera is away, from its return on. `before` runs first, unless frames are pulled already. Its errors,
   * CHANNEL_MISSING, SCRIPT_FAILED, FILE_FAILED, CAMERA_*, BRIDGE_CLOSED.
   */
  start(before: () => Promise<void>): Promise<void> {
    return this.#command(async () => {
      if (this.#wanted) return;
      await before();
      this.#wanted = true;
      await this.#prepare().catch((error) => {
        this.#wanted = false;
        throw error;
      });
    });
  }

  /** No more frames after the one under way; then runs `after`. */
  stop(after: () => void | Promise<void>): Promise<void> {
    return this.#command(async () => {
      this.#wanted = false;
      await this.#rest();
      await after();
    });
  }

  /** No more frames from now on, not even the one that is being pulled. */
  stopNow(): void {
    this.#wanted = false;
    if (this.state === 'streaming') this.#machine.go('pause');
  }

  /** Pulls frames while `action` runs, if no caller has started them for good. The errors of `start`. */
  borrow<T>(action: () => Promise<T>): Promise<T> {
    return this.#command(async () => {
      this.#borrowed++;
      try {
        const result = action();
        // When the preparation fails, that is what the caller hears of.
        result.catch(() => undefined);
        await this.#prepare();
        return await abortable(result, this.signal);
      } finally {
        this.#borrowed--;
        await this.#rest().catch(() => undefined);
      }
    });
  }

  /**
   * Gives the camera to `action` while no frames are pulled; the frame script comes back when they are wanted again. The signal
   * ends with this connection. OPTION_INVALID while frames are pulled, PORT_CLOSED while the camera is away, and the errors
   * of `action`.
   */
  lend(action: (camera: Camera, signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#command(async () => {
      if (this.#framesOnly) throw noCamera();
      await this.prepared();
      if (this.#wanted) {
        const message =
          'The script cannot be changed while streaming is active: the frames come from it. Stop streaming first.';
        throw new BridgeError('OPTION_INVALID', message);
      }
      if (!this.camera.connected) {
        const message = 'The camera is not connected now: its script can be changed when it is back.';
        throw new BridgeError('PORT_CLOSED', message);
      }
      this.#script.replaced(this.camera);
      await action(this.camera, this.#machine.scope);
    });
  }

  /** Throws OPTION_INVALID or UNSUPPORTED where a camera that is restarted would not come back. */
  checkRestart(): void {
    if (this.#line.replay) {
      throw new BridgeError('UNSUPPORTED', 'This is a recording: there is no camera to restart.');
    }
    if (this.#options.reconnect !== false) return;
    const message = 'The camera cannot be restarted: the bridge was told to end when its connection does.';
    throw new BridgeError('OPTION_INVALID', message, { context: { options: ['reconnect'] } });
  }

  /**
   * Restarts the camera that `lend` has given, which runs its main.py then; `action` gets it when it is back. CAMERA_SILENT: it was
   * not back within 30 s, and is looked for.
   */
  async restart(action: (camera: Camera, signal: AbortSignal) => Promise<void>): Promise<void> {
    const { camera } = this;
    await resetAndLeave(camera, this.signal);
    const back = this.#machine.until(() => this.camera !== camera && this.#machine.settled === 'paused');
    await within(back, RESTART_MS, notBack, this.signal);
    await action(this.camera, this.#machine.scope);
  }

  /** Ends it for good, with an error or without. Resolves when nothing of it runs any more. Never rejects. Idempotent. */
  async close(error?: BridgeError): Promise<void> {
    this.#machine.close(error);
    if (this.#camera.known) await this.camera.close().catch(() => undefined);
    await this.#machine.ended();
  }

  async #opening(signal: AbortSignal): Promise<Transition> {
    let camera: Camera;
    try {
      camera = await this.#camera.connect(signal);
    } catch (cause) {
      signal.throwIfAborted();
      const error = asBridgeError(cause);
      if (!this.#options.wait || !mayCome(error)) throw error;
      const failed = oncePerReason(this.#handlers.waiting);
      failed(error);
      camera = await this.#camera.waitFor({ attempts: this.#attempts, signal, failed });
    }
    return this.#welcome(camera, signal);
  }

  async #reconnecting(signal: AbortSignal): Promise<Transition> {
    const { reconnect } = this.#options;
    const lost = this.#lost ?? goneError();
    this.#handlers.disconnected(lost);
    if (lost.code === 'RECORDING_ENDED') {
      this.#handlers.ended();
      await abortable(new Promise<never>(() => undefined), signal);
    }
    if (reconnect === false || !mayPass(lost)) throw lost;
    const failed = oncePerReason(this.#handlers.failed);
    const camera = await this.#camera.reconnect({ attempts: this.#attempts, signal, failed });
    return this.#welcome(camera, signal);
  }

  async #welcome(camera: Camera, signal: AbortSignal): Promise<Transition> {
    if (signal.aborted) await camera.close();
    signal.throwIfAborted();
    this.#handlers.connected(camera);
    return 'connected';
  }

  async #preparing(signal: AbortSignal): Promise<Transition> {
    const { camera } = this;
    try {
      if (this.#framesOnly) this.#refuseCommands();
      else await this.#prepareScript(camera, signal);
    } catch (cause) {
      signal.throwIfAborted();
      const error = asBridgeError(cause);
      if (!camera.connected) {
        this.#lost = camera.lost ?? error;
        return 'lost';
      }
      if (!this.#asked) throw error;
      this.#asked.refusal = error;
      return 'pause';
    }
    return this.#wanted || this.#borrowed > 0 ? 'stream' : 'pause';
  }

  async #prepareScript(camera: Camera, signal: AbortSignal): Promise<void> {
    const kind = await this.#script.prepare(camera, signal);
    if (kind !== this.#kind) this.#handlers.source(kind);
    this.#kind = kind;
    // Not while a script of a caller's has its place.
    if (!this.#script.isReplaced) await this.#triggers.prepare(camera, kind, signal);
  }

  /** Frames come from a recording: no camera is behind the connection. */
  get #framesOnly(): boolean {
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

  async #streaming(signal: AbortSignal): Promise<Transition> {
    const { camera } = this;
    try {
      const kind = this.#kind;
      await this.#sources[this.#framesOnly ? 'recorded' : kind].run(camera, signal);
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

  async #paused(signal: AbortSignal): Promise<Transition> {
    this.#lost = (await abortable(this.camera.ended, signal)) ?? goneError();
    return 'lost';
  }

  /** Attempts to connect in a row that may fail. */
  get #attempts(): number {
    const { reconnect } = this.#options;
    return typeof reconnect === 'number' ? reconnect : Number.POSITIVE_INFINITY;
  }

  #command<T>(action: () => Promise<T>): Promise<T> {
    this.check();
    return this.#commands.run(action, this.signal).catch((error) => {
      if (this.signal.aborted) throw closedError(error);
      throw error;
    });
  }

  /** Whether a command can act: the camera is prepared, or away. */
  get #ready(): boolean {
    const { settled } = this.#machine;
    return settled === 'streaming' || settled === 'paused' || settled === 'reconnecting';
  }

  /** Leads to streaming, or leaves it to the reconnection. Throws what the preparation ended in. */
  async #prepare(): Promise<void> {
    await this.prepared();
    if (this.state === 'streaming') return;
    this.#script.wanted();
    if (this.state === 'reconnecting') return;
    const asked: { refusal?: BridgeError } = {};
    this.#asked = asked;
    this.#machine.go('prepare');
    await this.prepared().finally(() => (this.#asked = undefined));
    if (asked.refusal) throw asked.refusal;
  }

  /** Leads to a pause, unless frames are still wanted. */
  async #rest(): Promise<void> {
    if (this.#wanted || this.#borrowed > 0) return;
    if (this.state === 'streaming') this.#machine.go('pause');
    await this.prepared();
  }
}

const goneError = (): BridgeError => new BridgeError('PORT_CLOSED', 'The connection to the camera ended.');
const notBack = (): BridgeError =>
  new BridgeError(
    'CAMERA_SILENT',
    `The camera was told to restart, and is not back after ${RESTART_MS / 1_000} s. The bridge goes on looking for it; plug it in again.`,
  );
