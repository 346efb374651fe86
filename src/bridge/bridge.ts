/** The straight road: camera -> frames -> shared memory -> subscribers -> algorithm -> results. */
import { type Observable, Subject } from 'rxjs';
import type { Camera } from '../camera/camera.js';
import type { CameraKeeper } from '../camera/keeper.js';
import { asBridgeError, type BridgeError } from '../errors.js';
import { Frame } from '../frames/frame.js';
import { FramePuller, type PulledFrame } from '../frames/frame-puller.js';
import type { Algorithm } from './algorithm.js';
import { CameraLife } from './camera-life.js';
import type { BridgeEvent, BridgeStats, FrameResult } from './events.js';
import type { FrameFiles } from './frame-files.js';
import { LastingSettings } from './lasting-settings.js';
import type { BridgeOptions } from './options.js';
import { ScriptTurns } from './script-turns.js';
import { StatsMeter } from './stats-meter.js';
import type { Segment, Stores } from './stores.js';
import type { Streaming } from './streaming.js';

const STATS_MS = 1_000;
/** Events kept until the program that opened the bridge has had time to subscribe. */
export const MAX_BACKLOG = 256;

/** What a bridge is made of. */
export interface Parts {
  keeper: CameraKeeper;
  stores: Stores;
  algorithm: Algorithm | undefined;
  files: FrameFiles | undefined;
  streaming: Streaming;
}

export class Bridge {
  readonly options: BridgeOptions;
  /** Name of the camera in events, results and files; the same over reconnections. */
  readonly cameraId: string;
  /**
   * Settles when the bridge has ended: resolves after `close()`, or when the wanted number of frames or the time
   * is reached; rejects when it cannot go on.
   */
  readonly done: Promise<void>;

  readonly #parts: Parts;
  readonly #puller: FramePuller;
  readonly #life: CameraLife;
  readonly #turns: ScriptTurns;
  readonly #meter = new StatsMeter();
  readonly #frames$ = new Subject<Frame>();
  readonly #results$ = new Subject<FrameResult>();
  readonly #events$ = new Subject<BridgeEvent>();
  readonly #stats$ = new Subject<BridgeStats>();
  #backlog: BridgeEvent[] | undefined = [];
  /** What subscribers wait for before the next frame. */
  #held: Promise<unknown>[] = [];
  #statsTimer: NodeJS.Timeout | undefined;
  #durationTimer: NodeJS.Timeout | undefined;
  readonly #abort = new AbortController();
  #closing: Promise<void> | undefined;
  #finish: (error?: BridgeError) => void = () => undefined;

  /** Use `openBridge`. */
  constructor(options: BridgeOptions, parts: Parts, early: readonly BridgeEvent[]) {
    this.options = options;
    this.#parts = parts;
    this.cameraId = parts.keeper.camera.id;
    const { streaming } = parts;
    const settings = new LastingSettings(parts.keeper, options.channel, (error) =>
      this.emit({ type: 'error', cameraId: this.cameraId, error }),
    );
    this.#puller = new FramePuller(options.channel, {
      ready: async () => {
        await streaming.pass(this.camera);
        await settings.hold();
        // It may have been stopped meanwhile.
        await streaming.pass(this.camera);
      },
      frame: (frame) => this.#deliver(frame),
      dropped: (reason, count) => {
        this.#meter.drop(reason, count);
        this.emit({ type: 'dropped', cameraId: this.cameraId, reason, count });
      },
    });
    this.done = new Promise((resolve, reject) => {
      this.#finish = (error) => (error ? reject(error) : resolve());
    });
    // Whoever does not wait for the end must not be punished for it: `disconnected` and `error` tell as well.
    this.done.catch(() => undefined);
    this.#turns = new ScriptTurns(parts.keeper, options, streaming, settings);
    this.#life = new CameraLife(parts.keeper, this.#puller, this.#turns, settings, options, (event) =>
      this.emit(event),
    );
    this.#life.welcome();
    for (const event of early) this.emit(event);
    setImmediate(() => this.#start());
  }

  /** The camera; another object after each reconnection. */
  get camera(): Camera {
    return this.#parts.keeper.camera;
  }

  /** Delivered frames, in order. Subscribers run before the next frame is pulled. */
  get frames$(): Observable<Frame> {
    return this.#frames$.asObservable();
  }

  /** For a subscriber of `frames$` without room for more: the next frame stays at the camera until `room` settles. */
  hold(room: Promise<unknown>): void {
    this.#held.push(room);
  }

  /** The algorithm's answers. */
  get results$(): Observable<FrameResult> {
    return this.#results$.asObservable();
  }

  /** What happens beside frames and results. */
  get events$(): Observable<BridgeEvent> {
    return this.#events$.asObservable();
  }

  /** Figures, once a second. */
  get stats$(): Observable<BridgeStats> {
    return this.#stats$.asObservable();
  }

  /** The figures now; rates are since they were last taken. */
  stats(): BridgeStats {
    return {
      cameraId: this.cameraId,
      ...this.#meter.take(),
      repaired: this.#puller.stats.repairs,
      undecoded: this.#parts.stores.undecoded,
      algorithm: this.#parts.algorithm?.takeStats() ?? null,
      link: this.camera.stats(),
    };
  }

  /** Name of the shared-memory segment; null when there is none. */
  get shmName(): string | null {
    return this.#parts.stores.name;
  }

  /** Whether frames are pulled, starting and stopping them, and the GStreamer pipeline. */
  get streaming(): Streaming {
    return this.#parts.streaming;
  }

  /**
   * Pulls frames from now on, the first one newer than the last stop where the script has a control channel. When
   * `execScript` or `stopScript` took the frame script's place, it is sent again first, and settings are made again.
   * Ends in the errors of `streaming.start`, SCRIPT_FAILED or FILE_FAILED.
   */
  startStreaming(): Promise<void> {
    return this.#turns.start();
  }

  /** Stops the frames, after the one under way, and lets the pipeline finish. The camera stays connected. */
  stopStreaming(): Promise<void> {
    return this.#turns.stop();
  }

  /**
   * The next frame, within `ms`; while no frames are pulled one is, of now and without the pipeline. CAMERA_SILENT, and
   * the errors of `startStreaming`.
   */
  nextFrame(ms: number): Promise<Frame> {
    return this.#turns.frame(this.#frames$, ms);
  }

  /** Runs another script on the camera while no frames are pulled. OPTION_INVALID, SCRIPT_FAILED, CAMERA_*. */
  execScript(script: string): Promise<void> {
    return this.#turns.exec(script);
  }

  /** Stops the camera's script while no frames are pulled. OPTION_INVALID, SCRIPT_FAILED, CAMERA_*. */
  stopScript(): Promise<void> {
    return this.#turns.stopScript();
  }

  /** The VIZN segment; null: there is none. */
  get segment(): Segment | null {
    return this.#parts.stores.segment;
  }

  /** Puts another VIZN segment in the place of the one there is, if any; `size` in bytes. SHM_*, OPTION_INVALID. */
  openSegment(name: string, size: number): void {
    this.#parts.stores.openSegment({ ...this.options, shmName: name, shmSize: size });
  }

  /** Takes the VIZN segment away. */
  closeSegment(): void {
    this.#parts.stores.closeSegment();
  }

  /** Where frames of an earlier run were moved to, out of the way of this one's; undefined: there were none. */
  get earlierFrames(): string | undefined {
    return this.#parts.files?.earlier;
  }

  /** Whether the algorithm has failed for good. */
  get algorithmFailure(): BridgeError | undefined {
    return this.#parts.algorithm?.failure;
  }

  /** Ends everything and removes what is in shared memory. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** For what runs before the bridge exists, and for the bridge itself. */
  emit(event: BridgeEvent): void {
    if (!this.#backlog) this.#events$.next(event);
    else if (this.#backlog.length < MAX_BACKLOG) this.#backlog.push(event);
  }

  result(result: FrameResult): void {
    this.#results$.next(result);
  }

  #start(): void {
    if (this.#closing) return;
    const backlog = this.#backlog ?? [];
    this.#backlog = undefined;
    for (const event of backlog) this.#events$.next(event);
    this.#meter.start();
    this.#statsTimer = setInterval(() => this.#stats$.next(this.stats()), STATS_MS);
    const { durationMs } = this.options;
    if (durationMs !== undefined) this.#durationTimer = setTimeout(() => void this.#complete(), durationMs);
    void this.#live();
  }

  async #live(): Promise<void> {
    try {
      await this.#life.run(this.#abort.signal);
      const { frames } = this.options;
      if (frames !== undefined && this.#meter.delivered >= frames) await this.#complete();
    } catch (error) {
      this.#end(asBridgeError(error));
    }
  }

  /** One frame on its way. A returned promise keeps the next one at the camera. */
  async #deliver(pulled: PulledFrame): Promise<void> {
    const { frames } = this.options;
    if (this.#closing || (frames !== undefined && this.#meter.delivered >= frames)) return;
    const { stores, algorithm, files } = this.#parts;
    const { cameraId } = this;
    const sequence = this.#meter.delivered + 1;
    const imageId = `${cameraId}-${String(sequence).padStart(8, '0')}`;
    const withAlgorithm = algorithm !== undefined && !algorithm.failure;
    const frame = new Frame({ cameraId, sequence, ...pulled }, withAlgorithm ? imageId : stores.name);
    this.#meter.frame(frame);
    stores.write(frame);
    this.#parts.streaming.offer(frame);
    const room = withAlgorithm ? algorithm.offer(frame, imageId) : undefined;
    this.#frames$.next(frame);
    if (frames !== undefined && sequence >= frames) this.#puller.stop();
    try {
      await Promise.all([files?.save(frame), room, Promise.allSettled(this.#held.splice(0))]);
    } catch (error) {
      this.#end(asBridgeError(error));
    }
  }

  /** The wanted end: no more frames, the results still under way, then close. */
  async #complete(): Promise<void> {
    this.#puller.stop();
    const { algorithm } = this.#parts;
    if (algorithm && !algorithm.failure) await algorithm.drained();
    await this.close();
  }

  #end(error: BridgeError): void {
    if (this.#closing) return;
    this.#finish(error);
    void this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#statsTimer);
    clearTimeout(this.#durationTimer);
    this.#puller.stop();
    this.#abort.abort();
    const { stores, algorithm } = this.#parts;
    stores.close();
    await Promise.allSettled([algorithm?.close(), this.#parts.streaming.close(), this.camera.close()]);
    this.#stats$.next(this.stats());
    for (const subject of [this.#frames$, this.#results$, this.#events$, this.#stats$]) subject.complete();
    this.#finish();
  }
}
