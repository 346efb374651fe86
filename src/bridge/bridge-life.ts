/** How a bridge opens, runs and ends; what it tells its subscribers on the way. */
import { randomUUID } from 'node:crypto';
import { abortable, realClock } from '../async.js';
import type { Camera } from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import {
  FramePuller,
  PreviewPuller,
  type PulledFrame,
  type RawPreview,
  type SourceHandlers,
} from '../frames/index.js';
import type { LineTap } from '../link/index.js';
import {
  type BridgeInput,
  type BridgeOptions,
  bridgeOptionsSchema,
  expectRecording,
  parseOptions,
} from '../options/index.js';
import { type Replay, replayOf } from '../replay/index.js';
import { endLeftoverAdapters } from '../runner/index.js';
import type { ConnectionHandlers } from './activities.js';
import { Connection } from './connection.js';
import type { BridgeEvent, BridgeStats, BrokerKind, BrokerStats } from './events.js';
import { openSinks, type Parts, type RemoteCalls } from './open-sinks.js';
import { RecordedSource } from './recorded-source.js';
import { Reports } from './reports.js';
import { FrameRoad } from './road.js';
import { SegmentSwitch } from './segment-switch.js';
import { FrameSinks } from './sinks.js';
import { StatsMeter } from './stats-meter.js';
import { Streams } from './streams.js';
import { BridgeTimers } from './timers.js';

export interface BridgeSettings {
  /** Names the run in events; default: a new UUID. Several bridges of one program may share it. */
  readonly runId?: string;
  /** Told why a camera is not there that is waited for, once for each reason; default: an `error` event. */
  readonly waiting?: (error: BridgeError) => void;
  /** Told of each event before `events$` has a subscriber, who gets it as well: opening may take minutes. */
  readonly early?: (event: BridgeEvent) => void;
  /** Who calls the algorithm of `runner: 'nats:'`. */
  readonly remote?: RemoteCalls | undefined;
  /** Sees all bytes of the camera's line, in both directions. */
  readonly tap?: LineTap | undefined;
}

export interface StartOptions {
  /** Closes the bridge when aborted, also later. */
  readonly signal?: AbortSignal | undefined;
}

export class BridgeLife {
  readonly options: BridgeOptions;
  /** Of this run: (runId, cameraId, sequence) names a frame for ever. */
  readonly runId: string;
  /**
   * Settles when the bridge has ended: resolves after `stop()` or `close()`, or when the wanted number of frames or the time is
   * reached; rejects when it cannot go on.
   */
  readonly done: Promise<void>;

  /** @internal */
  protected readonly connection: Connection;
  readonly #sources: {
    readonly frame: FramePuller;
    readonly preview: PreviewPuller;
    readonly recorded: RecordedSource;
  };
  /** @internal */
  protected readonly sinks: FrameSinks;
  /** @internal */
  protected readonly segmentSwitch: SegmentSwitch;
  /** @internal */
  protected readonly road: FrameRoad;
  /** @internal */
  protected readonly brokers = new Map<BrokerKind, () => BrokerStats>();
  readonly #reports: Reports;
  readonly #replay: Replay | undefined;
  /** @internal */
  protected readonly streams: Streams;
  /** @internal */
  protected parts: Parts | undefined;
  #opening: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  /** Whether frames are pulled when they are wanted: `start` was called, or a subscriber has come. */
  #begun = false;
  /** `open` has resolved. */
  #ready = false;
  readonly #timers = new BridgeTimers();
  readonly #remote: RemoteCalls | undefined;
  #completing = false;
  #stopping: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #finish: (error?: BridgeError) => void = () => undefined;

  /** Use `createBridge` or `openBridge`. */
  constructor(
    input: BridgeInput,
    { runId = randomUUID(), waiting, early, tap, remote }: BridgeSettings = {},
  ) {
    const options = parseOptions(bridgeOptionsSchema, input);
    expectRecording([options.port], options);
    this.options = options;
    this.runId = runId;
    this.#remote = remote;
    this.done = new Promise((resolve, reject) => {
      this.#finish = (error) => (error ? reject(error) : resolve());
    });
    // `frames$` tells of a failure as well: a program need not look at both.
    this.done.catch(() => undefined);
    const failed = (error: BridgeError): void => this.#reports.failed(error);
    this.streams = new Streams(() => this.#listened(), failed, early);
    const meter = new StatsMeter();
    this.#reports = new Reports(this.streams, this.runId, () => this.cameraId, meter);
    const frames: SourceHandlers = {
      ready: (signal) => this.road.room && abortable(this.road.room, signal),
      frame: (frame) => this.#deliver(frame),
      dropped: (reason, count) => {
        this.road.meter.drop(reason, count);
        this.#reports.dropped(reason, count);
      },
      failed,
    };
    const { source, channel, stale } = options;
    const replay = replayOf(options);
    if (replay) replay.held = () => this.road.room !== undefined;
    this.#replay = replay;
    const clock = replay?.clock ?? realClock;
    const unless = source ? undefined : (camera: Camera) => this.connection.hasChannel(camera);
    this.#sources = {
      frame: new FramePuller(channel, frames, clock, stale),
      preview: new PreviewPuller(frames, { stale, raw: rawSize(options), unless }, clock),
      recorded: new RecordedSource(replay, frames),
    };
    this.sinks = new FrameSinks({
      failed: (kind, error) => this.#reports.failed(error, kind),
      recovered: (sink, lost) => this.#reports.recovered(sink, lost),
      ended: (error) => void this.#close(error),
    });
    this.segmentSwitch = new SegmentSwitch(this.sinks, options);
    this.road = new FrameRoad(this.sinks, this.streams, meter);
    const told: ConnectionHandlers = {
      connected: (camera) => this.#reports.connected(camera),
      source: (kind) => this.#reports.source(kind),
      disconnected: (error) => this.#reports.disconnected(error),
      ended: () => void this.#complete(),
      waiting: waiting ?? failed,
      failed,
      failedForGood: (error) => void this.#close(error),
    };
    this.connection = new Connection(options, this.#sources, told, { tap, replay });
  }

  /**
   * Connects, opens the sinks and starts the algorithm; frames are pulled from the first subscription on, or from
   * `start()`. Ends in the errors of `connectCamera`, in CHANNEL_MISSING, SCRIPT_FAILED, SHM_IN_USE, RUNNER_NOT_FOUND,
   * RUNNER_EXITED, RUNNER_TIMEOUT, FILE_FAILED, OPTION_INVALID, BRIDGE_CLOSED or `signal.reason`; then nothing stays open.
   */
  open({ signal }: StartOptions = {}): Promise<void> {
    this.#opening ??= this.#open(signal);
    return this.#opening;
  }

  /** As `open`, and pulls frames; also ends in the errors of `startStreaming`. */
  start(options: StartOptions = {}): Promise<void> {
    this.#starting ??= this.open(options).then(async () => {
      const first = !this.#begun;
      this.begin();
      try {
        if (first && this.options.streaming) await this.startStreaming();
      } catch (error) {
        await this.#close(asBridgeError(error));
        throw error;
      }
    });
    return this.#starting;
  }

  /** The camera; another object after each reconnection. PORT_CLOSED before the first connection. */
  get camera(): Camera {
    return this.connection.camera;
  }

  /** Name of the camera in events, results and files, the same over reconnections; before the first the option or the port. */
  get cameraId(): string {
    return this.connection.known ? this.camera.id : (this.options.cameraId ?? this.options.port);
  }

  /** The figures now; rates are since they were last taken. */
  stats(): BridgeStats {
    const sinks = this.sinks.stats();
    return {
      cameraId: this.cameraId,
      ...this.road.meter.take(),
      repaired: this.#sources.frame.repairs + this.#sources.preview.repairs,
      damagedData: this.#sources.frame.damagedData,
      undecoded: (sinks.segment?.skipped ?? 0) + (sinks.arrays?.skipped ?? 0),
      sinks,
      brokers: Object.fromEntries([...this.brokers].map(([kind, figures]) => [kind, figures()])),
      algorithm: this.parts?.algorithm?.takeStats() ?? null,
      link: this.camera.stats(),
    };
  }

  /**
   * Pulls frames from now on, the first one newer than the last stop where the script has a control channel. When
   * `execScript` or `stopScript` took the frame script's place, it is sent again first, and settings are made again.
   * With a pipeline it resolves when that has worked with the first frames, or when none come for 3 s.
   * UNSUPPORTED or OPTION_INVALID: what is wrong with the pipeline; CHANNEL_MISSING, SCRIPT_FAILED, FILE_FAILED, CAMERA_*,
   * BRIDGE_CLOSED; then nothing runs.
   */
  async startStreaming(): Promise<void> {
    this.check();
    const { pipeline } = this.opened();
    this.begin();
    try {
      await this.connection.start(() => pipeline.start(this.cameraId, this.camera.controls.framerate));
      await pipeline.proven();
    } catch (error) {
      // What the start ended in is the reason; a pipeline that takes no frames has nothing to finish.
      await this.connection.stop(() => pipeline.close()).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Ends in order: no more frames are pulled; calls under way may end, within their limits and `supervision.stopMs`, and
   * the pipeline finishes; then it closes. A frame that waits for the algorithm is skipped. `close` cuts it short.
   * Idempotent; never rejects.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * Ends everything now and removes what is in shared memory: calls under way fail. Aborting `signal` takes adapters their
   * time to tear down as well. Idempotent; never rejects.
   */
  close({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (signal && this.#closing) void this.sinks.close(signal);
    return this.#close(undefined, signal);
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const close = (): void => void this.#close();
    signal?.addEventListener('abort', close);
    void this.done.catch(() => undefined).then(() => signal?.removeEventListener('abort', close));
    try {
      await this.connection.open();
      await endLeftoverAdapters(this.options.supervision.killMs, (line) => this.#reports.log(line, 1));
      this.connection.check();
      this.parts = await openSinks(this.options, this.cameraId, this.sinks, this.#reports, this.#remote);
      this.connection.check();
      await Promise.all([this.connection.prepared(), this.parts.algorithm?.start()]);
      this.connection.check();
    } catch (cause) {
      const error = asBridgeError(cause);
      await this.#close(error.code === 'BRIDGE_CLOSED' ? undefined : error);
      signal?.throwIfAborted();
      // What closed it says more than that it is closed.
      throw error.code === 'BRIDGE_CLOSED' && error.cause instanceof BridgeError ? error.cause : cause;
    }
    this.#ready = true;
    const { listened } = this.streams;
    this.#timers.opened(() => this.streams.stats(this.stats()), listened);
    // A subscriber that came before waits for frames; with `start` they come anyway.
    if (listened) setImmediate(() => this.#listened());
  }

  /** Frames count from now on, and so does the time after which the bridge ends. */
  protected begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.road.meter.start();
    this.#timers.begun(this.options.durationMs, () => void this.#complete());
  }

  /** A subscriber has come: what it waits for starts, if the bridge is open. */
  #listened(): void {
    if (!this.#ready || this.#begun || this.#stopping || this.#closing) return;
    // A failure closes the bridge and is told by `done` and `frames$`.
    this.start().catch(() => undefined);
  }

  /** Throws BRIDGE_CLOSED when the bridge is closed or being stopped. */
  protected check(): void {
    this.connection.check();
    if (this.#stopping) throw new BridgeError('BRIDGE_CLOSED', 'The bridge is being stopped.');
  }

  protected opened(): Parts {
    if (this.parts) return this.parts;
    throw new BridgeError('BRIDGE_CLOSED', 'The bridge is not open: call start() first.');
  }

  #deliver(pulled: PulledFrame): void {
    const { frames = Number.POSITIVE_INFINITY } = this.options;
    const { meter } = this.road;
    if (this.#stopping || this.#closing || meter.delivered >= frames) return;
    this.road.deliver(pulled, this.runId, this.cameraId);
    if (meter.delivered !== frames) return;
    this.connection.stopNow();
    void this.#complete();
  }

  /** The wanted end: no more frames, the outcomes still under way, then close. */
  async #complete(): Promise<void> {
    if (this.#completing) return;
    this.#completing = true;
    const { signal } = this.connection;
    try {
      await this.connection.stop(() => undefined);
      await abortable(Promise.resolve(this.road.room), signal);
      const algorithm = this.parts?.algorithm;
      if (algorithm) await abortable(algorithm.drained(), signal);
    } catch {
      // Closed meanwhile.
    }
    await this.#close();
  }

  async #stop(): Promise<void> {
    this.connection.stopNow();
    const { algorithm, pipeline } = this.parts ?? {};
    await Promise.all([algorithm?.stop(), pipeline?.close()]);
    await this.#close();
  }

  #close(error?: BridgeError, signal?: AbortSignal): Promise<void> {
    this.#closing ??= this.#end(error, signal);
    return this.#closing;
  }

  async #end(error: BridgeError | undefined, signal: AbortSignal | undefined): Promise<void> {
    this.#timers.stop();
    // The sinks first: their names in shared memory go at once.
    await Promise.allSettled([this.sinks.close(signal), this.connection.close(error)]);
    await this.#replay?.close();
    if (this.connection.known) this.streams.stats(this.stats());
    this.streams.end(error);
    this.#finish(error);
  }
}

/** The size of previews as pixels; undefined: they are JPEGs. */
function rawSize({ previewRaw }: BridgeOptions): RawPreview | undefined {
  const [width, height] = previewRaw?.split('x').map(Number) ?? [];
  return width && height ? { width, height } : undefined;
}
