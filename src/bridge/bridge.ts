/** A bridge: one camera's frames into its sinks and to subscribers, and what may be asked of it while it runs. */
import type { Observable } from 'rxjs';
import { installation, type MainChange, type MainScript, refuseVirtual, removal } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { BridgeLife } from './bridge-life.js';
import type {
  BridgeEvent,
  BridgeStats,
  BrokerKind,
  BrokerStats,
  FrameOutcome,
  FrameResult,
} from './events.js';
import type { Pipeline } from './pipeline.js';
import type { Segment } from './segment-switch.js';
import type { AttachedSink, SinkKind } from './sink.js';
import type { State } from './states.js';

export class Bridge extends BridgeLife {
  /** Where the connection to the camera is in its life; see `State`. */
  get state(): State {
    return this.connection.state;
  }

  /** Whether frames are pulled, or will be when the camera is back. */
  get streaming(): boolean {
    return this.connection.wanted;
  }

  /**
   * Delivered frames, in order. Subscribers run before the next frame is pulled. Completes with the bridge; an error ends
   * it when the bridge cannot go on.
   */
  get frames$(): Observable<Frame> {
    return this.streams.frames$;
  }

  /** The algorithm's results. */
  get results$(): Observable<FrameResult> {
    return this.streams.results$;
  }

  /** One outcome for each delivered frame, with the frame; empty without an algorithm. */
  get outcomes$(): Observable<FrameOutcome> {
    return this.streams.outcomes$;
  }

  /**
   * What happens beside frames and results. The first subscribers get what happened before them; later ones begin with
   * the latest `connected`.
   */
  get events$(): Observable<BridgeEvent> {
    return this.streams.events$;
  }

  /** Figures, once a second. */
  get stats$(): Observable<BridgeStats> {
    return this.streams.stats$;
  }

  /**
   * Delivered frames for `for await`. The next frame stays at the camera until the loop asks for it. Ends with the bridge;
   * throws when the bridge cannot go on. Leaving the loop stops nothing else.
   */
  frames(): AsyncIterableIterator<Frame> {
    return this.streams.iterate((room) => this.hold(room));
  }

  /** For a subscriber of `frames$` without room for more: the next frame stays at the camera until `room` settles. */
  hold(room: Promise<unknown>): void {
    this.road.hold(room);
  }

  /** Adds a place for frames to those that the options ask for, such as a broker. BRIDGE_CLOSED. */
  async attach(kind: SinkKind, sink: AttachedSink): Promise<void> {
    this.check();
    const follow = (pending: Promise<void>): void => void this.sinks.follow(kind, pending);
    await this.sinks.add(kind, (failed) => sink({ failed, follow }));
  }

  /** Takes such a place away again. */
  async detach(kind: SinkKind): Promise<void> {
    await this.sinks.remove(kind);
  }

  /** Adds what is counted of a broker to the figures. */
  countBroker(kind: BrokerKind, figures: () => BrokerStats): void {
    this.brokers.set(kind, figures);
  }

  /** Name of the shared memory that frames are put into first; null when there is none. */
  get shmName(): string | null {
    return this.sinks.sharedName;
  }

  /** The GStreamer pipeline: what it is, whether it runs, what it took. BRIDGE_CLOSED before `open`. */
  get pipeline(): Pick<Pipeline, 'text' | 'running' | 'error' | 'stats'> {
    return this.opened().pipeline;
  }

  /** Chooses the pipeline of the next start; null: none. OPTION_INVALID: it is no pipeline, or frames are being pulled. */
  setPipeline(text: string | null): void {
    this.check();
    if (this.streaming) {
      throw new BridgeError('OPTION_INVALID', 'The pipeline cannot be changed while streaming: stop first.');
    }
    this.opened().pipeline.choose(text);
  }

  /**
   * Stops the frames, after the one under way, and lets the pipeline finish. The camera stays connected. FILE_FAILED: all
   * is stopped, but the pipeline may have left something unfinished. BRIDGE_CLOSED.
   */
  async stopStreaming(): Promise<void> {
    this.check();
    const { pipeline } = this.opened();
    this.begin();
    await this.connection.stop(() => pipeline.stop());
  }

  /**
   * The next frame, within `ms`; while no frames are pulled one is, without the pipeline. CAMERA_SILENT, BRIDGE_CLOSED, and
   * the errors of `startStreaming`.
   */
  async nextFrame(ms: number): Promise<Frame> {
    this.check();
    const next = (): Promise<Frame> => this.streams.next(ms, this.connection.signal, () => this.#silent(ms));
    return this.streaming ? next() : this.connection.borrow(next);
  }

  /**
   * Asks the camera for one picture, with the option `trigger: 'host'`; before the first one frames are started, as by `start`.
   * Resolves to its number when the camera has the trigger: the frame that is captured for it has it as `triggerId`. Triggers that come while a picture is being taken wait at the camera, four
   * at most. CAMERA_REFUSED: too many wait; OPTION_INVALID: another mode, or no frames are pulled; PORT_CLOSED: the camera is away;
   * CAMERA_SILENT, CAMERA_PROTOCOL, CAMERA_REBOOTED: it may have the trigger; BRIDGE_CLOSED.
   */
  async trigger(): Promise<number> {
    this.check();
    // A subscriber that has just come starts them as well, in a moment.
    if (this.options.trigger === 'host') await this.start();
    return await this.connection.trigger();
  }

  /** Runs another script on the camera while no frames are pulled. OPTION_INVALID, SCRIPT_FAILED, CAMERA_*, BRIDGE_CLOSED. */
  async execScript(script: string): Promise<void> {
    await this.connection.lend((camera, signal) => camera.exec(script, signal));
  }

  /** Stops the camera's script while no frames are pulled. OPTION_INVALID, SCRIPT_FAILED, CAMERA_*, BRIDGE_CLOSED. */
  async stopScript(): Promise<void> {
    await this.connection.lend((camera, signal) => camera.stop(signal));
  }

  /**
   * Restarts the camera, which runs its main.py then, while no frames are pulled; resolves when it is connected again, which
   * `disconnected` and `connected` events tell as well. OPTION_INVALID, CAMERA_SILENT: it was not back within 30 s; CAMERA_*, BRIDGE_CLOSED.
   */
  async resetCamera(): Promise<void> {
    this.connection.checkRestart();
    await this.connection.lend(() => this.connection.restart(async () => undefined));
  }

  /**
   * Writes a script as the camera's main.py, which it runs after power-on without a host, restarts the camera and waits until the script
   * runs; while no frames are pulled. What main.py was is kept for `uninstallScript`. Resolves to the channel that answers, if one was
   * waited for. The errors of `resetCamera`; SCRIPT_EXCEPTION: the camera's file system is full or cannot be written; SCRIPT_FAILED: what
   * is there differs, or does not run; CHANNEL_MISSING.
   */
  async installScript(main: MainScript = {}): Promise<string | undefined> {
    const change = await installation(main);
    await this.#changeMain(change);
    return change.channel;
  }

  /** Puts back what main.py was before `installScript`, and restarts the camera. The errors of `resetCamera`; OPTION_INVALID: nothing was installed. */
  async uninstallScript(): Promise<void> {
    await this.#changeMain(removal);
  }

  /** The VIZN segment; null: there is none. */
  get segment(): Segment | null {
    return this.segmentSwitch.present;
  }

  /** Puts another VIZN segment in the place of the present one; `size` in bytes. SHM_*, OPTION_INVALID, BRIDGE_CLOSED. */
  async openSegment(name: string, size: number): Promise<void> {
    this.check();
    await this.segmentSwitch.open({ ...this.options, shmName: name, shmSize: size });
  }

  /** Takes the VIZN segment away. BRIDGE_CLOSED. */
  async closeSegment(): Promise<void> {
    this.check();
    await this.segmentSwitch.close();
  }

  /** Where frames of an earlier run were moved to, out of the way of this one's; undefined: there were none. */
  get earlierFrames(): string | undefined {
    return this.parts?.files?.earlier;
  }

  /** Why the algorithm has failed for good; undefined: it has not. */
  get algorithmFailure(): BridgeError | undefined {
    return this.parts?.algorithm?.failure;
  }

  /** Process ids of the algorithm's adapters that run. */
  get algorithmPids(): readonly number[] {
    return this.parts?.algorithm?.pids ?? [];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #changeMain({ before, after }: MainChange): Promise<void> {
    this.connection.check();
    this.connection.checkRestart();
    refuseVirtual(this.options.port);
    await this.connection.lend(async (camera, signal) => {
      await before(camera, signal);
      await this.connection.restart(after);
    });
  }

  #silent(ms: number): BridgeError {
    const why = this.camera.connected ? '' : ': the camera is not connected';
    return new BridgeError('CAMERA_SILENT', `No frame came within ${ms / 1_000} s${why}.`);
  }
}
