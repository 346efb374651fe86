import { type ResolvedDialect, resolveDialect } from '../adapter/dialects.js';
import type { AdapterHello, AdapterMessage } from '../adapter/messages.js';
import type { BridgeError } from '../errors.js';
import { closedError, gaveUpError, silentError } from './adapter-errors.js';
import { AdapterProcess } from './adapter-process.js';
import { CallDesk, type CallRequest, type CallStats } from './calls.js';
import { Heartbeat } from './heartbeat.js';
import type { LogLine } from './log-lines.js';
import { type ResolvedRunnerOptions, type RunnerOptions, resolveRunnerOptions } from './options.js';
import { RestartPolicy } from './restart-policy.js';
import { type CallResult, errorFromMessage } from './result.js';

/**
 * `idle` before `start()`; `starting` until the adapter's hello; `ready`; `restarting` while a restart is waited
 * for; `failed` when there will be none (the breaker tripped, or the command cannot be run); `closing`, `closed`.
 */
export type RunnerState = 'idle' | 'starting' | 'ready' | 'restarting' | 'failed' | 'closing' | 'closed';

/** Called as things happen, in order. They must not throw. */
export interface RunnerCallbacks {
  onState?(state: RunnerState): void;
  /** A line of the adapter's stderr. */
  onLog?(line: LogLine): void;
  /**
   * Something about the adapter that is no call's result: a crash, a restart's reason, an error it reports for
   * itself, a message nobody understands.
   */
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
}

/** Kinds of unknown message types that are reported; beyond that a peer just talks nonsense. */
const MAX_REPORTED_TYPES = 32;

/**
 * Runs an algorithm adapter and calls it: one call in flight, heartbeats between calls, restarts after crashes
 * and hangs. Outlives its adapter whatever that does.
 */
export class AlgorithmRunner {
  readonly #options: ResolvedRunnerOptions;
  readonly #callbacks: RunnerCallbacks;
  readonly #policy: RestartPolicy;
  readonly #heartbeat: Heartbeat;
  readonly #desk: CallDesk;
  readonly #reportedTypes = new Set<string>();
  #state: RunnerState = 'idle';
  #process: AdapterProcess | undefined;
  #adapter: AdapterInfo | undefined;
  #restart: NodeJS.Timeout | undefined;
  #everReady = false;
  #failure: BridgeError | undefined;
  #waiters: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  #starts = 0;
  #crashes = 0;

  /** Ends in OPTION_INVALID when the options are wrong. Starts nothing. */
  constructor(options: RunnerOptions, callbacks: RunnerCallbacks = {}) {
    this.#options = resolveRunnerOptions(options);
    this.#callbacks = callbacks;
    const { settings, timings } = this.#options;
    this.#policy = new RestartPolicy(timings);
    this.#desk = new CallDesk(settings, timings, {
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
      busy: () => this.#desk.busy,
      ping: (request_id) => this.#process?.send({ type: 'ping', request_id }),
      dead: () => this.#process?.kill(silentError(timings)),
    });
  }

  get state(): RunnerState {
    return this.#state;
  }

  /** The adapter that is ready for calls, if any. */
  get adapter(): AdapterInfo | undefined {
    return this.#adapter;
  }

  /** Why the state is `failed`. */
  get failure(): BridgeError | undefined {
    return this.#failure;
  }

  get stats(): RunnerStats {
    return { ...this.#desk.stats, starts: this.#starts, crashes: this.#crashes };
  }

  /**
   * Starts the adapter; resolves at its hello. Crashes on the way are retried; rejects when there is no use in
   * it: RUNNER_NOT_FOUND, or RUNNER_EXITED after too many crashes or when closed. After `failed` it may be called
   * again.
   */
  async start(): Promise<void> {
    if (this.#state === 'idle' || this.#state === 'failed') {
      this.#failure = undefined;
      this.#everReady = false;
      this.#policy.reset();
      this.#desk.open();
      this.#launch();
    }
    if (!(await this.whenReady())) throw this.#failure ?? closedError();
  }

  /** Resolves true when the adapter is ready for calls, false when it never will be (`failed` or closed). */
  async whenReady(): Promise<boolean> {
    while (this.#state !== 'ready') {
      if (this.#state === 'failed' || this.#state === 'closing' || this.#state === 'closed') return false;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    return true;
  }

  /**
   * Has one picture inspected. Calls run one at a time, in order; while the adapter restarts they wait. Never
   * rejects: without a verdict the outcome is `failed`, with RUNNER_TIMEOUT, RUNNER_EXITED or RUNNER_PROTOCOL.
   */
  submit(request: CallRequest): Promise<CallResult> {
    return this.#desk.submit(request);
  }

  /** Fails what is in flight, ends the adapter and everything it started. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#setState('closing');
    clearTimeout(this.#restart);
    this.#heartbeat.stop();
    this.#desk.close(closedError());
    this.#adapter = undefined;
    await this.#process?.stop();
    this.#setState('closed');
  }

  #launch(): void {
    this.#starts += 1;
    this.#setState('starting');
    this.#process = new AdapterProcess(this.#options, {
      ready: (hello) => this.#ready(hello),
      message: (message) => this.#message(message),
      unusable: (error, requestId) => {
        if (!this.#desk.unusable(error, requestId)) this.#reportOnce(error);
      },
      log: (line) => this.#callbacks.onLog?.(line),
      dying: (reason) => this.#gone(reason),
      exit: (error) => this.#exited(error),
    });
  }

  #ready(hello: AdapterHello): void {
    const dialect = resolveDialect(this.#options.dialect, hello.capabilities);
    const { sdk_version: sdkVersion, capabilities } = hello;
    this.#adapter = { pid: this.#process?.pid, sdkVersion, capabilities, dialect };
    this.#everReady = true;
    this.#heartbeat.start();
    this.#setState('ready');
    this.#desk.adapterReady(dialect);
  }

  #message(message: Exclude<AdapterMessage, AdapterHello>): void {
    switch (message.type) {
      case 'result':
        return this.#desk.result(message);
      case 'pong':
        this.#heartbeat.pong(message.request_id);
        return;
      case 'error':
        if (typeof message.request_id === 'string') this.#desk.error(message, message.request_id);
        else this.#problem(errorFromMessage(message));
        return;
      case 'shutdown':
        // The answer to our own request; its exit is what counts.
        return;
    }
  }

  /** The adapter takes no more calls. */
  #gone(error: BridgeError): void {
    this.#adapter = undefined;
    this.#heartbeat.stop();
    if (this.#closing === undefined) this.#setState('restarting');
    this.#desk.adapterGone(error);
  }

  #exited(error: BridgeError): void {
    this.#process = undefined;
    if (this.#closing !== undefined) return;
    this.#crashes += 1;
    this.#gone(error);
    this.#problem(error);
    // A callback may have closed the runner.
    if (this.#closing !== undefined) return;
    if (error.code === 'RUNNER_NOT_FOUND' && !this.#everReady) return this.#fail(error);
    const waitMs = this.#policy.crashed(performance.now());
    if (waitMs !== undefined) {
      this.#restart = setTimeout(() => this.#launch(), waitMs);
      return;
    }
    this.#fail(gaveUpError(error, this.#options.timings));
  }

  #fail(error: BridgeError): void {
    this.#failure = error;
    this.#setState('failed');
    this.#desk.close(error);
  }

  #setState(state: RunnerState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const wake of this.#waiters.splice(0)) wake();
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
