/**
 * Adapters on other machines, for the calls of one camera. Before a call an adapter that is free is asked for, so that no
 * frame waits behind a busy one; then the picture goes to exactly that one.
 */
import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { abortable, Mutex, Signal, within } from '../../async.js';
import { asBridgeError, BridgeError, type ErrorCode } from '../../errors.js';
import {
  type CallPool,
  type CallRequest,
  type CallResult,
  failedCall,
  type PoolCallbacks,
  type RunnerState,
  type RunnerStats,
} from '../../runner/index.js';
import type { NatsBroker } from './broker.js';
import {
  freeSubject,
  NOT_TAKEN,
  nobodyThere,
  resultOfAnswer,
  takeSubject,
  workerSubject,
} from './call-message.js';
import { ANSWER_MS, callWorker, type Taken } from './remote-call.js';

/** While all are busy: how long the word that one is free is waited for before it is tried again. */
const BUSY_MS = 250;
/** While there is none. */
const ABSENT_MS = 1_000;
/** What a worker answers that is free. A server ends the connection for a subject that is none. */
const INBOX = /^[\w$.-]{1,128}$/;
/** What a call ends in that is told beside its result. */
const TOLD: readonly ErrorCode[] = ['RUNNER_EXITED', 'RUNNER_TIMEOUT', 'RUNNER_PROTOCOL'];

export interface RemotePoolSettings {
  readonly site: string;
  readonly camera: string;
  /** A call whose worker has gone is given to another one, once. */
  readonly every: boolean;
  readonly callTimeoutMs: number;
  readonly stopMs: number;
}

export class RemotePool implements CallPool {
  readonly shared = true;
  readonly pids = [];
  readonly failure = undefined;
  readonly #broker: NatsBroker;
  readonly #settings: RemotePoolSettings;
  readonly #callbacks: PoolCallbacks;
  readonly #taking = new Mutex();
  readonly #free = new Signal();
  /** Aborted when no call is made any more, and when none is waited for. */
  readonly #stop = new AbortController();
  readonly #end = new AbortController();
  readonly #calls = new Set<Promise<CallResult>>();
  readonly #unfollow: () => void;
  #state: RunnerState = 'idle';
  #taken: Taken | undefined;
  /** Why there is none for the next call, which is not to wait. */
  #refusal: BridgeError | undefined;
  #absent = false;
  readonly #stats: RunnerStats = {
    ...{ calls: 0, ok: 0, ng: 0, failed: 0, timeouts: 0, retries: 0 },
    ...{ late: 0, duplicate: 0, unknown: 0, starts: 0, crashes: 0, logLinesLeftOut: 0 },
  };

  constructor(broker: NatsBroker, settings: RemotePoolSettings, callbacks: PoolCallbacks) {
    this.#broker = broker;
    this.#settings = settings;
    this.#callbacks = callbacks;
    this.#unfollow = broker.follow({
      connected: (connection) => {
        connection.subscribe(freeSubject(settings.site), { callback: () => this.#free.set() });
        void this.#look(connection);
      },
      away: () => this.#becomes('restarting'),
    });
  }

  /** Calls under way: how many adapters there are is not known. */
  get size(): number {
    return this.#calls.size;
  }

  get state(): RunnerState {
    return this.#state;
  }

  get stats(): RunnerStats {
    return { ...this.#stats };
  }

  /** Workers may come and go: nothing is waited for. */
  async start(): Promise<void> {
    if (this.#state === 'idle') this.#becomes('starting');
  }

  /** Waits until an adapter is free, and takes it for the next call; or until it is known that there is none to wait for. */
  async ready(_worker: number, signal?: AbortSignal): Promise<boolean> {
    this.#refusal = undefined;
    try {
      this.#taken ??= await this.#take(signal ?? this.#end.signal);
    } catch (error) {
      signal?.throwIfAborted();
      this.#refusal = asBridgeError(error);
    }
    return true;
  }

  /** Never rejects. The outcome is the answer of one worker, or `failed`. */
  submit(_worker: number, request: CallRequest): Promise<CallResult> {
    const taken = this.#refusal ?? this.#taken;
    const call = this.#call(request, taken).finally(() => this.#calls.delete(call));
    this.#taken = undefined;
    this.#calls.add(call);
    return call;
  }

  async stop(): Promise<void> {
    this.#stop.abort(runEnded());
    const late = (): Error => new Error('The calls took too long.');
    await within(Promise.all(this.#calls), this.#settings.stopMs, late).catch(() => undefined);
    await this.close();
  }

  async close(): Promise<void> {
    if (!this.#end.signal.aborted) this.#becomes('closing');
    this.#unfollow();
    this.#stop.abort(runEnded());
    this.#end.abort(runEnded());
    await Promise.all(this.#calls);
    this.#becomes('closed');
  }

  async #call(request: CallRequest, first: Taken | BridgeError | undefined): Promise<CallResult> {
    const requestId = randomUUID();
    const since = performance.now();
    const stats = this.#stats;
    stats.calls++;
    let result: CallResult;
    try {
      if (first instanceof BridgeError) throw first;
      result = await this.#untilAnswered(request, requestId, first, since);
    } catch (cause) {
      const error = asBridgeError(cause, 'BROKER_FAILED');
      if (error.code === 'RUNNER_TIMEOUT') stats.timeouts++;
      result = failedCall(requestId, error, performance.now() - since);
      // That the server is away is told by what publishes there, that there is no worker when that is found.
      if (TOLD.includes(error.code) && !this.#stop.signal.aborted) this.#callbacks.onProblem?.(error, 1);
    }
    stats[result.outcome]++;
    request.release?.();
    return result;
  }

  /**
   * A worker that goes is another one's call, once; that the server goes is no fault of a worker, and one that has not taken
   * the call is asked in vain, no more.
   */
  async #untilAnswered(
    request: CallRequest,
    requestId: string,
    first: Taken | undefined,
    since: number,
  ): Promise<CallResult> {
    let taken = first ?? (await this.#take(this.#stop.signal));
    for (let gone = 0; ; ) {
      try {
        const limits = { timeoutMs: this.#settings.callTimeoutMs, signal: this.#end.signal };
        const text = await callWorker(taken, request.picture!, requestId, limits);
        if (text !== NOT_TAKEN) return { ...resultOfAnswer(text, performance.now() - since), requestId };
      } catch (cause) {
        this.#end.signal.throwIfAborted();
        // What the client itself ends in says that the connection has ended.
        const lost = taken.ended.aborted || !(cause instanceof BridgeError);
        const left = cause instanceof BridgeError && cause.context['reason'] === 'worker-gone';
        if (left && !lost) {
          gone++;
          this.#stats.crashes++;
        }
        if (!this.#settings.every || !(lost || (left && gone <= 1))) throw cause;
        this.#stats.retries++;
      }
      taken = await this.#take(this.#stop.signal);
    }
  }

  /**
   * An adapter that is free, as soon as there is one; one after the other. Without `every` what is not there is not waited
   * for: RUNNER_NOT_FOUND, BROKER_FAILED.
   */
  #take(signal: AbortSignal): Promise<Taken> {
    return this.#taking.run(async () => {
      for (;;) {
        const { every } = this.#settings;
        if (!every && !this.#broker.connection && this.#broker.failure) throw this.#broker.failure;
        const connection = await this.#broker.ready(signal);
        const { ended } = this.#broker;
        let wait = BUSY_MS;
        try {
          this.#free.clear();
          const asked = connection.request(takeSubject(this.#settings), '', { timeout: ANSWER_MS });
          const answer = await abortable(abortable(asked, signal), ended);
          this.#present();
          const inbox = answer.string();
          if (inbox !== NOT_TAKEN && INBOX.test(inbox)) return { connection, ended, inbox };
        } catch (error) {
          signal.throwIfAborted();
          if (ended.aborted) continue;
          if (nobodyThere(error) && !(await this.#look(connection))) {
            if (!every) throw this.#absence();
            wait = ABSENT_MS;
          }
        }
        await this.#free.wait(wait, signal);
      }
    }, signal);
  }

  /** Whether there is a worker for this camera at all. Says so when there is none, once. */
  async #look(connection: NatsConnection): Promise<boolean> {
    try {
      await connection.request(workerSubject(this.#settings), '', { timeout: ANSWER_MS });
      this.#present();
      return true;
    } catch (error) {
      if (!nobodyThere(error)) return true;
    }
    if (!this.#absent && !this.#end.signal.aborted) {
      this.#absent = true;
      this.#becomes('restarting');
      this.#callbacks.onProblem?.(this.#absence(), 1);
    }
    return false;
  }

  #absence(): BridgeError {
    const { site, camera } = this.#settings;
    const text = `No worker takes calls of ${camera} at ${site}: start one, as in: openmv-bridge worker --nats URL -- COMMAND`;
    return new BridgeError('RUNNER_NOT_FOUND', text, { context: { site, camera } });
  }

  #present(): void {
    this.#absent = false;
    this.#becomes('ready');
  }

  #becomes(state: RunnerState): void {
    const over = this.#end.signal.aborted && state !== 'closed';
    if (this.#state === state || over) return;
    this.#state = state;
    this.#callbacks.onState?.(state);
  }
}

function runEnded(): BridgeError {
  const text = 'The run ended before a worker had answered.';
  return new BridgeError('RUNNER_EXITED', text, { context: { reason: 'closed' } });
}
