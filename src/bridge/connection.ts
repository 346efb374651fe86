/** The connection to a bridge's camera: the commands that lead it from one state to another. What the states do: activities.ts. */
import { abortable, Mutex, within } from '../async.js';
import { type Camera, type LineSettings, resetAndLeave } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import type { BridgeOptions } from '../options/index.js';
import { noCamera } from '../replay/index.js';
import { Activities, type ConnectionHandlers, Demand, type Sources } from './activities.js';
import { closedError, Machine } from './machine.js';
import type { State } from './states.js';

/** How long a camera may take to come back after a restart. */
const RESTART_MS = 30_000;

export class Connection {
  readonly #options: BridgeOptions;
  readonly #line: LineSettings;
  readonly #demand = new Demand();
  readonly #activities: Activities;
  readonly #machine: Machine;
  readonly #commands = new Mutex();

  constructor(
    options: BridgeOptions,
    sources: Sources,
    handlers: ConnectionHandlers,
    line: LineSettings = {},
  ) {
    this.#options = options;
    this.#line = line;
    const activities = new Activities(options, sources, handlers, line, this.#demand);
    this.#activities = activities;
    this.#machine = new Machine(
      {
        opening: (signal) => activities.opening(signal),
        preparing: (signal) => activities.preparing(signal),
        streaming: (signal) => activities.streaming(signal),
        paused: (signal) => activities.paused(signal),
        reconnecting: (signal) => activities.reconnecting(signal),
      },
      handlers.failedForGood,
    );
  }

  get state(): State {
    return this.#machine.state;
  }

  /** The camera; another object after each reconnection. PORT_CLOSED before the first. */
  get camera(): Camera {
    return this.#activities.again.camera;
  }

  /** Whether there has been a connection. */
  get known(): boolean {
    return this.#activities.again.known;
  }

  /** Whether frames are pulled, or will be when the camera is back. */
  get wanted(): boolean {
    return this.#demand.wanted;
  }

  /** Asks for one picture. The errors of `Bridge.trigger`. */
  async trigger(): Promise<number> {
    this.check();
    if (this.#activities.framesOnly) throw noCamera();
    return this.#activities.triggers.fire(this.camera, this.state, this.signal);
  }

  /** Whether the script that runs has a frame channel: of use to a source that does without. */
  hasChannel(camera: Camera): Promise<boolean> {
    return this.#activities.script.hasChannel(camera);
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
    await this.#machine.until(() => this.known);
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
      if (this.#demand.wanted) return;
      await before();
      this.#demand.wanted = true;
      await this.#prepare().catch((error) => {
        this.#demand.wanted = false;
        throw error;
      });
    });
  }

  /** No more frames after the one under way; then runs `after`. */
  stop(after: () => void | Promise<void>): Promise<void> {
    return this.#command(async () => {
      this.#demand.wanted = false;
      await this.#rest();
      await after();
    });
  }

  /** No more frames from now on, not even the one that is being pulled. */
  stopNow(): void {
    this.#demand.wanted = false;
    if (this.state === 'streaming') this.#machine.go('pause');
  }

  /** Pulls frames while `action` runs, if no caller has started them for good. The errors of `start`. */
  borrow<T>(action: () => Promise<T>): Promise<T> {
    return this.#command(async () => {
      this.#demand.borrowed++;
      try {
        const result = action();
        // When the preparation fails, that is what the caller hears of.
        result.catch(() => undefined);
        await this.#prepare();
        return await abortable(result, this.signal);
      } finally {
        this.#demand.borrowed--;
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
      if (this.#activities.framesOnly) throw noCamera();
      await this.prepared();
      if (this.#demand.wanted) {
        const message =
          'The script cannot be changed while streaming is active: the frames come from it. Stop streaming first.';
        throw new BridgeError('OPTION_INVALID', message);
      }
      if (!this.camera.connected) {
        const message = 'The camera is not connected now: its script can be changed when it is back.';
        throw new BridgeError('PORT_CLOSED', message);
      }
      this.#activities.script.replaced(this.camera);
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
    if (this.known) await this.camera.close().catch(() => undefined);
    await this.#machine.ended();
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
    this.#activities.script.wanted();
    if (this.state === 'reconnecting') return;
    const asked: { refusal?: BridgeError } = {};
    this.#demand.asked = asked;
    this.#machine.go('prepare');
    await this.prepared().finally(() => (this.#demand.asked = undefined));
    if (asked.refusal) throw asked.refusal;
  }

  /** Leads to a pause, unless frames are still wanted. */
  async #rest(): Promise<void> {
    if (this.#demand.frames) return;
    if (this.state === 'streaming') this.#machine.go('pause');
    await this.prepared();
  }
}

const notBack = (): BridgeError =>
  new BridgeError(
    'CAMERA_SILENT',
    `The camera was told to restart, and is not back after ${RESTART_MS / 1_000} s. The bridge goes on looking for it; plug it in again.`,
  );
