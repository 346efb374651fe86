import {
  type AdapterHello,
  type AdapterMessage,
  type ResolvedDialect,
  resolveDialect,
} from '../adapter/index.js';
import { abortable, deferred } from '../async.js';
import type { BridgeError } from '../errors.js';
import { AdapterProcess } from './adapter-process.js';
import { CallQueue, type CallRequest, type CallStats } from './call-queue.js';
import { closedError, gaveUpError, silentError } from './exits.js';
import { Heartbeat } from './heartbeat.js';
import type { LogLine } from './log-lines.js';
import { type ResolvedRunnerOptions, type RunnerOptions, resolveRunnerOptions } from './options.js';
import { RestartPolicy } from './restart-policy.js';
import { type CallResult, errorFromMessage } from './result.js';

/**
 * `idle` before `start()`; `starting` until the adapter's hello; `loading` until its first answer; `ready`;
 * `restarting` while a restart is waited for; `failed` when there will be none (the breaker tripped, or the command
 * cannot be run); `closing`, `closed`.
 */
export type RunnerState =
  | 'idle'
  | 'starting'
  | 'loading'
  | 'ready'
  | 'restarting'
  | 'failed'
  | 'closing'
  | 'closed';

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

const OVER: ReadonlySet<RunnerState> = new Set(['failed', 'closing', 'closed']);
/** Kinds of unknown message types that are reported. */
const MAX_REPORTED_TYPES = 32;

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
  #state: RunnerState = 'idle';
  #changed = deferred();
  #process: AdapterProcess | undefined;
  #adapter: AdapterInfo | undefined;
  #restart: NodeJS.Timeout | undefined;
  #everGreeted = false;
  #failure: BridgeError | undefined;
  #closing: Promise<void> | undefined;
  readonly #counts = { starts: 0, crashes: 0, logLinesLeftOut: 0 };

  /** Ends in OPTION_INVALID when the options are wrong. Starts nothing. */
  constructor(options: RunnerOptions, callbacks: RunnerCallbacks = {}) {
    this.#options = resolveRunnerOptions(options);
    this.#callbacks = callbacks;
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
    return this.#state;
  }

  /** No adapter comes any more by itself: failed, closing or closed. */
  get over(): boolean {
    return OVER.has(this.#state);
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
   * it: RUNNER_NOT_FOUND, or RUNNER_EXITED after too many crashes or when closed. After `failed` it may be called
   * again. Aborting `signal` closes the runner.
   */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#state === 'idle' || this.#state === 'failed') {
      this.#failure = undefined;
      this.#everGreeted = false;
      this.#policy.reset();
      this.#queue.open();
      this.#launch();
    }
    try {
      await this.#until((state) => state === 'loading' || state === 'ready', signal);
    } catch (reason) {
      void this.close();
      throw reason;
    }
    if (this.over) throw this.#failure ?? closedError();
  }

  /** Resolves to true when the adapter has loaded and takes calls, to false when it never will (failed or closed). */
  async whenReady(signal?: AbortSignal): Promise<boolean> {
    await this.#until((state) => state === 'ready', signal);
    return this.#state === 'ready';
  }

  /**
   * Has one image inspected. Calls run one at a time, in order; while the adapter restarts they wait. Never
   * rejects: without a verdict the outcome is `failed`, with RUNNER_TIMEOUT, RUNNER_EXITED or RUNNER_PROTOCOL.
   */
  submit(request: CallRequest): Promise<CallResult> {
    return this.#queue.submit(request);
  }

  /**
   * Fails what is in flight and ends the adapter and everything it started: a shutdown message, SIGTERM after
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

  async #close(signal: AbortSignal | undefined): Promise<void> {
    this.#setState('closing');
    clearTimeout(this.#restart);
    this.#heartbeat.stop();
    this.#queue.close(closedError());
    this.#adapter = undefined;
    await this.#process?.stop(signal);
    this.#setState('closed');
  }

  /** Waits for one of these states, or one that it is over in. */
  async #until(reached: (state: RunnerState) => boolean, signal: AbortSignal | undefined): Promise<void> {
    while (!reached(this.#state) && !this.over) await abortable(this.#changed.promise, signal);
  }

  #launch(): void {
    this.#counts.starts += 1;
    this.#setState('starting');
    this.#process = new AdapterProcess(this.#options, {
      hello: (hello) => this.#greeted(hello),
      loaded: () => {
        this.#heartbeat.start();
        this.#setState('ready');
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
    this.#setState('loading');
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
    if (this.#closing === undefined) this.#setState('restarting');
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
    if (this.#closing !== undefined) return;
    if (error.code === 'RUNNER_NOT_FOUND' && !this.#everGreeted) return this.#fail(error);
    const waitMs = this.#policy.crashed(performance.now());
    if (waitMs === undefined) return this.#fail(gaveUpError(error, this.#options.timings));
    this.#restart = setTimeout(() => this.#launch(), waitMs);
  }

  #fail(error: BridgeError): void {
    this.#failure = error;
    this.#setState('failed');
    this.#queue.close(error);
  }

  #setState(state: RunnerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#changed.resolve();
    this.#changed = deferred();
    this.#callbacks.onState?.(state);
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
