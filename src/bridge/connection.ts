/**
 * The life cycle of a bridge's camera: one state at a time, each with one activity. Leaving a state aborts its signal,
 * which ends every wait of its activity; the table in states.ts says where it may go.
 */
import { abortable, Mutex } from '../async.js';
import type { Camera } from '../camera/camera.js';
import type { CameraOptions } from '../camera/options.js';
import { mayPass, ReconnectingCamera } from '../camera/reconnecting-camera.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Source } from '../frames/source.js';
import { FrameScript } from './frame-script.js';
import type { BridgeOptions } from './options.js';
import { follow, type State, type Transition } from './states.js';

export interface ConnectionHandlers {
  /** A connection was made: the first one, or another one after `disconnected`. */
  connected(camera: Camera): void;
  disconnected(error: BridgeError): void;
  /** Something failed that does not end the connection. */
  failed(error: BridgeError): void;
  /** An error that no waiting helps against has closed the connection. */
  failedForGood(error: BridgeError): void;
}

/** The reason of a state's signal when the state was left for another one than `closed`. */
const LEFT = new Error('The state was left.');

export class Connection {
  readonly #options: BridgeOptions;
  readonly #source: Source;
  readonly #handlers: ConnectionHandlers;
  readonly #camera: ReconnectingCamera;
  readonly #script: FrameScript;
  readonly #commands = new Mutex();
  #state: State = 'idle';
  /** Ends with the state. */
  #scope = new AbortController();
  /** Ends with the connection; its reason is BRIDGE_CLOSED, or the error that ended it. */
  readonly #life = new AbortController();
  /** Whether frames are wanted until further notice, and how many callers want one frame. */
  #wanted = false;
  #borrowed = 0;
  /** Why the last preparation that a caller asked for failed. */
  #refusal: BridgeError | undefined;
  /** A caller waits for the preparation: its failure is the caller's, and does not end the connection. */
  #asked = false;
  #lost: BridgeError | undefined;
  readonly #waiters = new Set<() => void>();
  /** The state whose activity runs. */
  #active: State = 'idle';
  #running: Promise<void> | undefined;

  constructor(options: BridgeOptions, camera: CameraOptions, source: Source, handlers: ConnectionHandlers) {
    this.#options = options;
    this.#source = source;
    this.#handlers = handlers;
    this.#camera = new ReconnectingCamera(camera);
    this.#script = new FrameScript(options, handlers.failed);
  }

  get state(): State {
    return this.#state;
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

  /** Aborted when the connection is closed; the reason is BRIDGE_CLOSED, or the error that ended it. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** Throws BRIDGE_CLOSED when closed. */
  check(): void {
    if (this.#life.signal.aborted) throw closedError(this.#life.signal.reason);
  }

  /** Connects. Resolves when the camera answers; its script is prepared from then on. The errors of `connectCamera`. */
  async open(): Promise<Camera> {
    this.check();
    this.#go('open');
    this.#running = this.#run();
    await this.#until(() => this.#camera.known);
    return this.camera;
  }

  /** Resolves when the script gives frames. CHANNEL_MISSING, SCRIPT_FAILED, FILE_FAILED. */
  prepared(): Promise<void> {
    return this.#until(() => this.#settled);
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
      try {
        await this.#prepare();
      } catch (error) {
        this.#wanted = false;
        throw error;
      }
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

  /** As `stop`, from within the handler of a frame: that frame is the last one. */
  stopNow(): void {
    this.#wanted = false;
    if (this.#state === 'streaming') this.#go('pause');
  }

  /** Pulls frames while `action` runs, as long as no caller has started them for good. The errors of `start`. */
  borrow<T>(action: () => Promise<T>): Promise<T> {
    return this.#command(async () => {
      this.#borrowed++;
      try {
        const result = action();
        // A preparation that fails ends the borrowing first.
        result.catch(() => undefined);
        await this.#prepare();
        return await abortable(result, this.signal);
      } finally {
        this.#borrowed--;
        await this.#rest().catch(() => undefined);
      }
    });
  }

  /** Runs another script in the place of the frame script. OPTION_INVALID while frames are pulled, SCRIPT_FAILED, CAMERA_*. */
  exec(script: string): Promise<void> {
    return this.#replace((camera, signal) => camera.exec(script, signal));
  }

  /** Stops the camera's script. The errors of `exec`. */
  stopScript(): Promise<void> {
    return this.#replace((camera, signal) => camera.stop(signal));
  }

  /** Ends it for good, with an error or without. Resolves when nothing of it runs any more. Never rejects. Idempotent. */
  async close(error?: BridgeError): Promise<void> {
    if (this.#state !== 'closed') {
      this.#life.abort(error ?? new BridgeError('BRIDGE_CLOSED', 'The bridge is closed.'));
      this.#go('close');
    }
    if (this.#camera.known) await this.camera.close().catch(() => undefined);
    await this.#running;
  }

  #go(transition: Transition): void {
    this.#state = follow(this.#state, transition);
    const left = this.#scope;
    this.#scope = new AbortController();
    left.abort(this.signal.aborted ? this.signal.reason : LEFT);
    if (this.#state === 'closed') this.#scope.abort(this.signal.reason);
    this.#notify();
  }

  /** Runs the activity of each state until the connection is closed. */
  async #run(): Promise<void> {
    while (this.#state !== 'closed') {
      const { signal } = this.#scope;
      this.#active = this.#state;
      this.#notify();
      try {
        const transition = await this.#activity(this.#state, signal);
        if (!signal.aborted) this.#go(transition);
      } catch (cause) {
        // The state was left: what its activity ended in does not matter.
        if (signal.aborted) continue;
        const error = asBridgeError(cause);
        void this.close(error);
        this.#handlers.failedForGood(error);
      }
    }
  }

  async #activity(state: State, signal: AbortSignal): Promise<Transition> {
    switch (state) {
      case 'opening':
        return this.#opening(signal);
      case 'preparing':
        return this.#preparing(signal);
      case 'streaming':
        return this.#streaming(signal);
      case 'paused':
        this.#lost = (await abortable(this.camera.ended, signal)) ?? goneError();
        return 'lost';
      case 'reconnecting':
        return this.#reconnecting(signal);
      default:
        throw new BridgeError('INTERNAL', `The state ${state} has no activity.`);
    }
  }

  async #opening(signal: AbortSignal): Promise<Transition> {
    const { wait } = this.#options;
    const camera = wait
      ? await this.#camera.connect(signal).catch((error) => this.#await(asBridgeError(error), signal))
      : await this.#camera.connect(signal);
    signal.throwIfAborted();
    this.#handlers.connected(camera);
    return 'connected';
  }

  #await(error: BridgeError, signal: AbortSignal): Promise<Camera> {
    signal.throwIfAborted();
    if (!mayPass(error)) throw error;
    const failed = this.#once();
    failed(error);
    return this.#camera.waitFor({ attempts: Number.POSITIVE_INFINITY, signal, failed });
  }

  async #preparing(signal: AbortSignal): Promise<Transition> {
    const { camera } = this;
    try {
      await this.#script.prepare(camera, signal);
    } catch (cause) {
      signal.throwIfAborted();
      const error = asBridgeError(cause);
      if (!camera.connected) {
        this.#lost = camera.lost ?? error;
        return 'lost';
      }
      if (!this.#asked) throw error;
      this.#refusal = error;
      return 'pause';
    }
    return this.#wanted || this.#borrowed > 0 ? 'stream' : 'pause';
  }

  async #streaming(signal: AbortSignal): Promise<Transition> {
    const { camera } = this;
    try {
      await this.#source.run(camera, signal);
      signal.throwIfAborted();
      // The interpreter has restarted. Without its channel the script is gone, which is worth telling.
      await camera.channel(this.#options.channel).id();
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

  async #reconnecting(signal: AbortSignal): Promise<Transition> {
    const { reconnect } = this.#options;
    const lost = this.#lost ?? goneError();
    this.#handlers.disconnected(lost);
    if (reconnect === false) throw lost;
    const attempts = reconnect === true ? Number.POSITIVE_INFINITY : reconnect;
    const camera = await this.#camera.reconnect({ attempts, signal, failed: this.#once() });
    if (signal.aborted) await camera.close();
    signal.throwIfAborted();
    this.#handlers.connected(camera);
    return 'connected';
  }

  /** Reports an error once for each reason in a row, not for every attempt. */
  #once(): (error: BridgeError) => void {
    let told: string | undefined;
    return (error) => {
      if (error.code !== told) this.#handlers.failed(error);
      told = error.code;
    };
  }

  #command<T>(action: () => Promise<T>): Promise<T> {
    this.check();
    return this.#commands.run(action, this.signal).catch((error) => {
      if (this.signal.aborted) throw closedError(error);
      throw error;
    });
  }

  /** Whether a command can act: the camera is prepared, or away. */
  get #settled(): boolean {
    return this.#active === this.#state && this.#state !== 'opening' && this.#state !== 'preparing';
  }

  /** Leads to streaming, or leaves it to the reconnection. Throws what the preparation ended in. */
  async #prepare(): Promise<void> {
    await this.#until(() => this.#settled);
    if (this.#state !== 'paused') {
      if (this.#state === 'reconnecting') this.#script.resume();
      return;
    }
    this.#script.resume();
    this.#refusal = undefined;
    this.#asked = true;
    this.#go('prepare');
    try {
      await this.#until(() => this.#settled);
    } finally {
      this.#asked = false;
    }
    if (this.#refusal) throw this.#refusal;
  }

  /** Leads to a pause, unless frames are still wanted. */
  async #rest(): Promise<void> {
    if (this.#wanted || this.#borrowed > 0) return;
    if (this.#state === 'streaming') this.#go('pause');
    await this.#until(() => this.#settled);
  }

  #replace(action: (camera: Camera, signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#command(async () => {
      await this.#until(() => this.#settled);
      if (this.#wanted) {
        throw new BridgeError(
          'OPTION_INVALID',
          'The script cannot be changed while streaming is active: the frames come from it. Stop streaming first.',
        );
      }
      if (!this.camera.connected) {
        throw new BridgeError(
          'PORT_CLOSED',
          'The camera is not connected now: its script can be changed when it is back.',
        );
      }
      this.#script.replaced(this.camera);
      await action(this.camera, this.#scope.signal);
    });
  }

  #until(reached: () => boolean): Promise<void> {
    return abortable(
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (!reached() && !this.signal.aborted) return;
          this.#waiters.delete(look);
          resolve();
        };
        this.#waiters.add(look);
        look();
      }),
      this.signal,
    );
  }

  #notify(): void {
    for (const look of [...this.#waiters]) look();
  }
}

const goneError = (): BridgeError => new BridgeError('PORT_CLOSED', 'The connection to the camera ended.');

function closedError(reason: unknown): BridgeError {
  if (reason instanceof BridgeError && reason.code === 'BRIDGE_CLOSED') return reason;
  return new BridgeError('BRIDGE_CLOSED', `The bridge is closed: ${asBridgeError(reason).message}`, {
    cause: reason,
  });
}
