/** How a bridge opens, runs and ends; what it tells its subscribers on the way. */
import { randomUUID } from 'node:crypto';
import type { Observable } from 'rxjs';
import { abortable } from '../async.js';
import type { Camera } from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { type Frame, FramePuller, type PulledFrame } from '../frames/index.js';
import {
  type BridgeInput,
  type BridgeOptions,
  bridgeOptionsSchema,
  cameraOptionsSchema,
  parseOptions,
} from '../options/index.js';
import { endLeftoverAdapters } from '../runner/index.js';
import { Connection } from './connection.js';
import type { BridgeEvent, BridgeEventFields, BridgeStats, FrameOutcome, FrameResult } from './events.js';
import { openSinks, type Parts } from './open-sinks.js';
import { FrameRoad } from './road.js';
import { SegmentSwitch } from './segment-switch.js';
import type { SinkKind } from './sink.js';
import { FrameSinks } from './sinks.js';
import type { State } from './states.js';
import { Streams } from './streams.js';

const STATS_MS = 1_000;
/** A bridge that pulls nothing for so long after it was opened says so. */
const IDLE_WARNING_MS = 2_000;

export interface BridgeSettings {
  /** Names the run in events; default: a new UUID. Several bridges of one program may share it. */
  readonly runId?: string;
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
   * Settles when the bridge has ended: resolves after `close()`, or when the wanted number of frames or the time is
   * reached; rejects when it cannot go on.
   */
  readonly done: Promise<void>;

  /** @internal */
  protected readonly connection: Connection;
  readonly #source: FramePuller;
  /** @internal */
  protected readonly sinks: FrameSinks;
  /** @internal */
  protected readonly segmentSwitch: SegmentSwitch;
  readonly #road: FrameRoad;
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
  #statsTimer: NodeJS.Timeout | undefined;
  #durationTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #completing = false;
  #closing: Promise<void> | undefined;
  #finish: (error?: BridgeError) => void = () => undefined;

  /** Use `createBridge` or `openBridge`. */
  constructor(input: BridgeInput, { runId = randomUUID() }: BridgeSettings = {}) {
    const options = parseOptions(bridgeOptionsSchema, input);
    this.options = options;
    this.runId = runId;
    this.done = new Promise((resolve, reject) => {
      this.#finish = (error) => (error ? reject(error) : resolve());
    });
    // `frames$` tells of a failure as well: a program need not look at both.
    this.done.catch(() => undefined);
    this.streams = new Streams(
      () => this.#listened(),
      (error) => this.#failed(error),
    );
    this.#source = new FramePuller(options.channel, {
      ready: (signal) => this.#road.room && abortable(this.#road.room, signal),
      frame: (frame) => this.#deliver(frame),
      dropped: (reason, count) => {
        this.#road.meter.drop(reason, count);
        this.#emit({ type: 'dropped', cameraId: this.cameraId, reason, count });
      },
    });
    this.sinks = new FrameSinks({
      failed: (kind, error) => this.#failed(error, kind),
      recovered: (sink, lost) => this.#emit({ type: 'recovered', cameraId: this.cameraId, sink, lost }),
      ended: (error) => void this.#close(error),
    });
    this.segmentSwitch = new SegmentSwitch(this.sinks, options);
    this.#road = new FrameRoad(this.sinks, this.streams);
    this.connection = new Connection(options, cameraPart(options), this.#source, {
      connected: (camera) => this.#connected(camera),
      disconnected: ({ code, message }) =>
        this.#emit({ type: 'disconnected', cameraId: this.cameraId, code, message }),
      failed: (error) => this.#failed(error),
      failedForGood: (error) => void this.#close(error),
    });
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

  /** Where the connection to the camera is in its life; see `State`. */
  get state(): State {
    return this.connection.state;
  }

  /** The camera; another object after each reconnection. PORT_CLOSED before the first connection. */
  get camera(): Camera {
    return this.connection.camera;
  }

  /** Name of the camera in events, results and files, the same over reconnections; before the first the option or the port. */
  get cameraId(): string {
    return this.connection.known ? this.camera.id : (this.options.cameraId ?? this.options.port);
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
    this.#road.hold(room);
  }

  /** The figures now; rates are since they were last taken. */
  stats(): BridgeStats {
    const sinks = this.sinks.stats();
    return {
      cameraId: this.cameraId,
      ...this.#road.meter.take(),
      repaired: this.#source.repairs,
      undecoded: (sinks.segment?.skipped ?? 0) + (sinks.arrays?.skipped ?? 0),
      sinks,
      algorithm: this.parts?.algorithm?.takeStats() ?? null,
      link: this.camera.stats(),
    };
  }

  /** Whether frames are pulled, or will be when the camera is back. */
  get streaming(): boolean {
    return this.connection.wanted;
  }

  /**
   * Pulls frames from now on, the first one newer than the last stop where the script has a control channel. When
   * `execScript` or `stopScript` took the frame script's place, it is sent again first, and settings are made again.
   * With a pipeline it resolves when that has worked with the first frames, or when none come for 3 s.
   * UNSUPPORTED or OPTION_INVALID: what is wrong with the pipeline; CHANNEL_MISSING, SCRIPT_FAILED, FILE_FAILED, CAMERA_*,
   * BRIDGE_CLOSED; then nothing runs.
   */
  async startStreaming(): Promise<void> {
    this.connection.check();
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

  /** Ends everything and removes what is in shared memory. Idempotent; never rejects. */
  close(): Promise<void> {
    return this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const close = (): void => void this.#close();
    signal?.addEventListener('abort', close);
    void this.done.catch(() => undefined).then(() => signal?.removeEventListener('abort', close));
    try {
      await this.connection.open();
      await endLeftoverAdapters(this.options.supervision.killMs, (line) =>
        this.#emit({ type: 'log', cameraId: this.cameraId, line, worker: 1 }),
      );
      this.connection.check();
      this.parts = await openSinks(this.options, this.cameraId, this.sinks, this.#reports());
      this.connection.check();
      await Promise.all([this.connection.prepared(), this.parts.algorithm?.start()]);
      this.connection.check();
    } catch (cause) {
      const error = asBridgeError(cause);
      await this.#close(error.code === 'BRIDGE_CLOSED' ? undefined : error);
      signal?.throwIfAborted();
      throw cause;
    }
    this.#ready = true;
    this.#statsTimer = setInterval(() => this.streams.stats(this.stats()), STATS_MS);
    // A subscriber that came before waits for frames; with `start` they come anyway.
    if (this.streams.listened) setImmediate(() => this.#listened());
    else this.#idleTimer = setTimeout(() => this.#warnIdle(), IDLE_WARNING_MS);
  }

  /** Frames count from now on, and so does the time after which the bridge ends. */
  protected begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    clearTimeout(this.#idleTimer);
    this.#road.meter.start();
    const { durationMs } = this.options;
    if (durationMs !== undefined) this.#durationTimer = setTimeout(() => void this.#complete(), durationMs);
  }

  /** A subscriber has come: what it waits for starts, if the bridge is open. */
  #listened(): void {
    if (!this.#ready || this.#begun || this.#closing) return;
    // A failure closes the bridge and is told by `done` and `frames$`.
    this.start().catch(() => undefined);
  }

  #warnIdle(): void {
    process.emitWarning(
      'An openmv-bridge was opened 2 s ago and pulls no frames: subscribe to frames$, or call start().',
      { code: 'OPENMV_BRIDGE_IDLE' },
    );
  }

  protected opened(): Parts {
    if (this.parts) return this.parts;
    throw new BridgeError('BRIDGE_CLOSED', 'The bridge is not open: call start() first.');
  }

  /** Says who is connected, and listens to what its script prints. Once for each connection. */
  #connected(camera: Camera): void {
    const { port, version, link } = camera.info();
    this.#emit({
      type: 'connected',
      port,
      cameraId: this.cameraId,
      protocolVersion: version.protocol.join('.'),
      firmwareVersion: version.firmware.join('.'),
      maxPayload: link.maxPayload,
      ack: link.ack,
    });
    camera.stdout$.subscribe((text) => this.#emit({ type: 'stdout', cameraId: this.cameraId, text }));
  }

  #reports(): Parameters<typeof openSinks>[3] {
    const { cameraId } = this;
    return {
      pipeline: {
        failed: (error) => this.#failed(error),
        warned: (text) => this.#emit({ type: 'pipeline', cameraId, text }),
        dropped: (count) => this.#emit({ type: 'dropped', cameraId, reason: 'pipeline', count }),
      },
      algorithm: {
        result: (frame, result) => {
          void this.sinks.follow('files', this.parts?.files?.settled(frame, result.outcome));
          this.streams.result(frame, result);
        },
        skipped: (frame, reason) => {
          this.#emit({ type: 'skipped', cameraId, sequence: frame.sequence, reason });
          this.streams.skipped(frame, reason);
        },
        state: (state) => this.#emit({ type: 'runner', cameraId, state }),
        log: (line, worker) => this.#emit({ type: 'log', cameraId, line, worker }),
        error: (error) => this.#failed(error),
        recovered: (lost) => this.#emit({ type: 'recovered', cameraId, sink: 'algorithm', lost }),
      },
    };
  }

  #deliver(pulled: PulledFrame): void {
    const { frames } = this.options;
    const { meter } = this.#road;
    if (this.#closing || (frames !== undefined && meter.delivered >= frames)) return;
    this.#road.deliver(pulled, { runId: this.runId, cameraId: this.cameraId });
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
      await abortable(Promise.resolve(this.#road.room), signal);
      const algorithm = this.parts?.algorithm;
      if (algorithm) await abortable(algorithm.drained(), signal);
    } catch {
      // Closed meanwhile.
    }
    await this.#close();
  }

  #failed(error: BridgeError, sink?: SinkKind): void {
    this.#emit({ type: 'error', cameraId: this.cameraId, error, ...(sink === undefined ? {} : { sink }) });
  }

  #emit(event: BridgeEventFields): void {
    this.streams.event({ runId: this.runId, ...event });
  }

  #close(error?: BridgeError): Promise<void> {
    this.#closing ??= this.#end(error);
    return this.#closing;
  }

  async #end(error: BridgeError | undefined): Promise<void> {
    clearInterval(this.#statsTimer);
    clearTimeout(this.#durationTimer);
    clearTimeout(this.#idleTimer);
    // The sinks first: their names in shared memory go at once.
    await Promise.allSettled([this.sinks.close(), this.connection.close(error)]);
    if (this.connection.known) this.streams.stats(this.stats());
    this.streams.end(error);
    this.#finish(error);
  }
}

function cameraPart(options: BridgeOptions) {
  const { port, baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes, virtual } = options;
  return parseOptions(cameraOptionsSchema, {
    ...{ port, baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes, virtual },
  });
}
