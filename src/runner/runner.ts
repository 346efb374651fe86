import {
  type AdapterHello,
  type AdapterMessage,
  type ResolvedDialect,
  resolveDialect,
} from '../adapter/index.js';
import { pause } from '../async.js';
import type { BridgeError } from '../errors.js';
import { AdapterProcess } from './adapter-process.js';
import type { CallRequest, CallStats } from './call.js';
import { CallQueue } from './call-queue.js';
import { closedError, gaveUpError, silentError } from './exits.js';
import { Heartbeat } from './heartbeat.js';
import type { LogLine } from './log-lines.js';
import { type ResolvedRunnerOptions, type RunnerOptions, resolveRunnerOptions } from './options.js';
import { RestartPolicy } from './restart-policy.js';
import { type CallResult, errorFromMessage } from './result.js';
import { type RunnerState, StateHolder } from './state.js';

/** Called as things happen, in order. They must not throw. */
export interface RunnerCallbacks {
  onState?(state: RunnerState): void;
  /** A line of the adapter's stderr, or of the runner about the adapter. */
  onLog?(line: LogLine): void;
  /** Something that is no call's result: a crash, a restart's reason, an error that the adapter reports for itself. */
  onProblem?(error: BridgeError): void;
}

/** The adapter that is running. */
export interface AdapterInfo {
  readonly pid: number | undefined;
  readonly sdkVersion: string | undefined;
  readonly capabilities: readonly string[];
  readonly dialect: ResolvedDialect;
}

export interface RunnerStats extends CallStats {
  /** Adapter processes started. */
  starts: number;
  /** Adapter processes that ended, or had to be ended, without being asked to. */
  crashes: number;
  /** Lines of stderr that were not reported because there were too many. */
  logLinesLeftOut: number;
}

/** Kinds of unknown message types that are reported. */
const MAX_REPORTED_TYPES = 32;
/** A call that ends sooner is not worth a word when the runner is stopped. */
const STOP_NOTE_MS = 300;

/**
 * Runs an algorithm adapter and calls it: one call in flight, heartbeats, restarts after crashes and hangs. Outlives
 * its adapter.
 */
export class AlgorithmRunner {
  readonly #options: ResolvedRunnerOptions;
  readonly #callbacks: RunnerCallbacks;
  readonly #policy: RestartPolicy;
  readonly #heartbeat: Heartbeat;
  readonly #queue: CallQueue;
  readonly #reportedTypes = new Set<string>();
  readonly #state: StateHolder;
  #process: AdapterProcess | undefined;
  #adapter: AdapterInfo | undefined;
  #restart: NodeJS.Timeout | undefined;
  #everGreeted = false;
  #failure: BridgeError | undefined;
  #stopping: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** No adapter is started any more. */
  #ending = false;
  readonly #counts = { starts: 0, crashes: 0, logLinesLeftOut: 0 };

  /** Ends in OPTION_INVALID when the options are wrong. Starts nothing. */
  constructor(options: RunnerOptions, callbacks: RunnerCallbacks = {}) {
    this.#options = resolveRunnerOptions(options);
    this.#callbacks = callbacks;
    this.#state = new StateHolder((state) => callbacks.onState?.(state));
    const { timings } = this.#options;
    this.#policy = new RestartPolicy(timings);
    this.#queue = new CallQueue(this.#options, {
      send: (message) => this.#process?.send(message),
      kill: (reason) => this.#process?.kill(reason),
      answered: () => {
        this.#policy.succeeded();
        this.#heartbeat.alive();
      },
      problem: (error) => this.#problem(error),
    });
    this.#heartbeat = new Heartbeat({
      intervalMs: timings.heartbeatIntervalMs,
      graceMs: timings.heartbeatGraceMs,
      misses: timings.heartbeatMisses,
      busy: () => this.#queue.busy,
      ping: (requestId) => this.#process?.ping(requestId),
      dead: () => this.#process?.kill(silentError(timings), true),
    });
  }

  get state(): RunnerState {
    return this.#state.now;
  }

  /** No adapter comes any more by itself: failed, closing or closed. */
  get over(): boolean {
    return this.#state.over;
  }

  /** The adapter that has said hello, if any. */
  get adapter(): AdapterInfo | undefined {
    return this.#adapter;
  }

  /** Why the state is `failed`. */
  get failure(): BridgeError | undefined {
    return this.#failure;
  }

  get stats(): RunnerStats {
    const logLinesLeftOut = this.#counts.logLinesLeftOut + (this.#process?.logLinesLeftOut ?? 0);
    return { ...this.#queue.stats, ...this.#counts, logLinesLeftOut };
  }

  /**
   * Starts the adapter; resolves at its hello. Crashes on the way are retried; rejects when there is no use in
   * it: RUNNER_NOT_FOUND, RUNNER_TIMEOUT, or RUNNER_EXITED after too many crashes or when closed. After `failed` it may be called
   * again. Aborting `signal` closes the runner.
   */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.state === 'idle' || this.state === 'failed') {
      this.#failure = undefined;
      this.#everGreeted = false;
      this.#policy.reset();
      this.#queue.open();
      this.#launch();
    }
    try {
      await this.#state.reaches(['loading', 'ready'], signal);
    } catch (reason) {
      void this.close();
      throw reason;
    }
    if (this.over) throw this.#failure ?? closedError();
  }

  /** Resolves to true when the adapter has loaded and takes calls, to false when it never will (failed or closed). */
  async whenReady(signal?: AbortSignal): Promise<boolean> {
    return this.#state.reaches(['ready'], signal);
  }

  /**
   * Has one image inspected. Calls run one at a time, in order; while the adapter restarts they wait. Never
   * rejects: without a verdict the outcome is `failed`, with RUNNER_TIMEOUT, RUNNER_EXITED or RUNNER_PROTOCOL.
   */
  submit(request: CallRequest): Promise<CallResult> {
    return this.#queue.submit(request);
  }

  /**
   * Ends in order: the call that the adapter works on may end within its limit, and within `stopMs`; it is not tried again.
   * Calls that wait fail, and an adapter that loads is not waited for. Then closes. `close()` cuts it short. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * Ends now: fails what is in flight and ends the adapter and everything it started: a shutdown message, SIGTERM after
   * `shutdownMs` or when `signal` is aborted, SIGKILL after `killMs`. Idempotent.
   */
  close(signal?: AbortSignal): Promise<void> {
    if (this.#closing !== undefined) {
      if (signal !== undefined) void this.#process?.stop(signal);
      return this.#closing;
    }
    this.#closing = this.#close(signal);
    return this.#closing;
  }

  async #stop(): Promise<void> {
    this.#retire();
    const ended = new AbortController();
    void this.#noteCall(ended.signal);
    const limit = setTimeout(() => this.#queue.cutShort(), this.#options.timings.stopMs);
    await this.#queue.finish();
    clearTimeout(limit);
    ended.abort();
    await this.close();
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    this.#retire();
    this.#queue.cutShort();
    this.#queue.close(closedError());
    this.#adapter = undefined;
    await this.#process?.stop(signal);
    this.#state.set('closed');
  }

  #retire(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#state.set('closing');
    clearTimeout(this.#restart);
    this.#heartbeat.stop();
  }

  /** Says which call the end waits for. */
  async #noteCall(ended: AbortSignal): Promise<void> {
    await pause(STOP_NOTE_MS, ended).catch(() => undefined);
    const call = ended.aborted ? undefined : this.#queue.underWay;
    if (call === undefined) return;
    const seconds = Math.min(call.leftMs, this.#options.timings.stopMs) / 1_000;
    const text = `the call under way, about ${call.imageId}, may take ${seconds.toFixed(1)} s more and is waited for`;
    this.#callbacks.onLog?.({ level: 'info', text, message: text });
  }

  #launch(): void {
    this.#counts.starts += 1;
    this.#state.set('starting');
    this.#process = new AdapterProcess(this.#options, {
      hello: (hello) => this.#greeted(hello),
      loaded: () => {
        this.#heartbeat.start();
        this.#state.set('ready');
        this.#queue.adapterLoaded();
      },
      message: (message) => this.#message(message),
      unusable: (error, requestId) => {
        if (!this.#queue.unusable(error, requestId)) this.#reportOnce(error);
      },
      log: (line) => this.#callbacks.onLog?.(line),
      dying: (reason) => this.#gone(reason),
      exit: (error) => this.#exited(error),
    });
  }

  #greeted(hello: AdapterHello): void {
    const dialect = resolveDialect(this.#options.dialect, hello.capabilities);
    const { sdk_version: sdkVersion, capabilities } = hello;
    this.#adapter = { pid: this.#process?.pid, sdkVersion, capabilities, dialect };
    this.#everGreeted = true;
    this.#state.set('loading');
    this.#queue.adapterThere(dialect);
  }

  #message(message: Exclude<AdapterMessage, AdapterHello>): void {
    if (message.type === 'result') this.#queue.result(message);
    else if (message.type === 'pong') this.#heartbeat.pong(message.request_id);
    else if (message.type !== 'error')
      return; // Of `shutdown`, the answer to our own, the exit is what counts.
    else if (typeof message.request_id === 'string') this.#queue.error(message, message.request_id);
    else this.#problem(errorFromMessage(message));
  }

  /** The adapter takes no more calls. */
  #gone(error: BridgeError): void {
    this.#adapter = undefined;
    this.#heartbeat.stop();
    if (!this.#ending) this.#state.set('restarting');
    this.#queue.adapterGone(error);
  }

  #exited(error: BridgeError): void {
    this.#counts.logLinesLeftOut += this.#process?.logLinesLeftOut ?? 0;
    this.#process = undefined;
    if (this.#closing !== undefined) return;
    this.#counts.crashes += 1;
    this.#gone(error);
    this.#problem(error);
    // A callback may have closed the runner.
    if (this.#ending) return;
    // What could not be run, or was silent for as long as it may load, would be so again.
    const useless = error.code === 'RUNNER_NOT_FOUND' || error.code === 'RUNNER_TIMEOUT';
    if (useless && !this.#everGreeted) return this.#fail(error);
    const waitMs = this.#policy.crashed(performance.now());
    if (waitMs === undefined) return this.#fail(gaveUpError(error, this.#options.timings));
    this.#restart = setTimeout(() => this.#launch(), waitMs);
  }

  #fail(error: BridgeError): void {
    this.#failure = error;
    this.#state.set('failed');
    this.#queue.close(error);
  }

  #reportOnce(error: BridgeError): void {
    const type = error.context['unknownType'];
    if (typeof type === 'string') {
      if (this.#reportedTypes.has(type) || this.#reportedTypes.size >= MAX_REPORTED_TYPES) return;
      this.#reportedTypes.add(type);
    }
    this.#problem(error);
  }

  #problem(error: BridgeError): void {
    this.#callbacks.onProblem?.(error);
  }
}
