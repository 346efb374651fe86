import { abortable } from '../async.js';
import type { BridgeError } from '../errors.js';
import type { CallRequest } from './call.js';
import type { LogLine } from './log-lines.js';
import { type RunnerOptions, resolveRunnerOptions } from './options.js';
import type { CallResult } from './result.js';
import { AlgorithmRunner, type RunnerStats } from './runner.js';
import type { RunnerState } from './state.js';

/** Called as things happen, in order; `worker` counts from 1. They must not throw. */
export interface PoolCallbacks {
  /** Of the pool as a whole. */
  onState?(state: RunnerState): void;
  onLog?(line: LogLine, worker: number): void;
  /** As of a runner; besides, that a worker is given up. */
  onProblem?(error: BridgeError, worker: number): void;
}

/** The adapters of an algorithm, wherever they run; see `RunnerPool`. */
export interface CallPool {
  /** Adapters, or calls under way where it is not known how many there are. */
  readonly size: number;
  /** Workers are not told apart: each call goes to one that is free, and `ready` says that one is. */
  readonly shared?: boolean;
  readonly pids: readonly number[];
  readonly state: RunnerState;
  readonly failure: BridgeError | undefined;
  readonly stats: RunnerStats;
  start(signal?: AbortSignal): Promise<void>;
  ready(worker: number, signal?: AbortSignal): Promise<boolean>;
  submit(worker: number, request: CallRequest): Promise<CallResult>;
  stop(): Promise<void>;
  close(signal?: AbortSignal): Promise<void>;
}

/** What the pool is when its workers are in several states: the first of these. */
const PREFERENCE = [
  'ready',
  'loading',
  'starting',
  'restarting',
  'idle',
  'closing',
  'closed',
  'failed',
] as const;

/** Several adapters of one algorithm, each supervised by itself. */
export class RunnerPool implements CallPool {
  readonly #runners: readonly AlgorithmRunner[];
  readonly #callbacks: PoolCallbacks;
  #state: RunnerState = 'idle';
  #started = false;

  /** Ends in OPTION_INVALID when the options are wrong. Starts nothing. */
  constructor(options: RunnerOptions, workers: number, callbacks: PoolCallbacks = {}) {
    this.#callbacks = callbacks;
    // Once for all: the workers share a session.
    const resolved = resolveRunnerOptions(options);
    this.#runners = Array.from(
      { length: workers },
      (_, index) =>
        new AlgorithmRunner(resolved, {
          onState: (state) => this.#changed(index, state),
          onLog: (line) => callbacks.onLog?.(line, index + 1),
          onProblem: (error) => callbacks.onProblem?.(error, index + 1),
        }),
    );
  }

  get size(): number {
    return this.#runners.length;
  }

  /** Process ids of the adapters that have said hello. */
  get pids(): readonly number[] {
    return this.#runners.flatMap(({ adapter }) => adapter?.pid ?? []);
  }

  /** `ready` while one worker is; `failed` when all have failed for good. */
  get state(): RunnerState {
    return this.#state;
  }

  /** Why no worker will ever take a call again; still told when the pool is closed. */
  get failure(): BridgeError | undefined {
    const failures = this.#runners.map(({ failure }) => failure);
    return failures.includes(undefined) ? undefined : failures[0];
  }

  /** Sums over the workers. */
  get stats(): RunnerStats {
    return this.#runners
      .map(({ stats }) => stats)
      .reduce((sum, stats) => {
        for (const key of Object.keys(sum) as (keyof RunnerStats)[]) sum[key] += stats[key];
        return sum;
      });
  }

  /**
   * Starts every adapter; resolves at the first hello, the others follow while calls go to those that are there.
   * Rejects as a runner's `start` does when none can be had. Aborting `signal` closes the pool.
   */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    try {
      await abortable(Promise.any(this.#runners.map((runner) => runner.start())), signal);
    } catch (error) {
      if (signal?.aborted) void this.close();
      throw error instanceof AggregateError ? error.errors[0] : error;
    }
    this.#started = true;
    for (const [index, { failure }] of this.#runners.entries()) {
      if (failure !== undefined) this.#callbacks.onProblem?.(failure, index + 1);
    }
  }

  /**
   * For a consumer that is one worker (from 0): waits until it has loaded and may be called. False: it has failed for
   * good while others have not. When all have failed it is true, so that what waits gets its failure.
   */
  async ready(worker: number, signal?: AbortSignal): Promise<boolean> {
    if (await this.#runners[worker]!.whenReady(signal)) return true;
    return this.#runners.every(({ over }) => over);
  }

  /** Has a worker (from 0) inspect one image; see `AlgorithmRunner.submit`. */
  submit(worker: number, request: CallRequest): Promise<CallResult> {
    return this.#runners[worker]!.submit(request);
  }

  /** Ends in order: calls under way may end, each within its limit; see `AlgorithmRunner.stop`. */
  async stop(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.stop()));
  }

  /** Ends all adapters and everything they started, sooner when `signal` is aborted; see `AlgorithmRunner.close`. */
  async close(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.close(signal)));
  }

  #changed(index: number, state: RunnerState): void {
    const failure = this.#runners[index]?.failure;
    // While starting, the rejection of `start` says it.
    if (state === 'failed' && this.#started && failure) this.#callbacks.onProblem?.(failure, index + 1);
    const states = this.#runners.map((runner) => runner.state);
    const best = PREFERENCE.find((candidate) => states.includes(candidate)) ?? 'idle';
    if (best === this.#state) return;
    this.#state = best;
    this.#callbacks.onState?.(best);
  }
}
