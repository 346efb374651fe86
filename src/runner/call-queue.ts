import { randomUUID } from 'node:crypto';
import {
  buildCall,
  type CallMessage,
  type ErrorMessage,
  type Phase,
  type Rect,
  type ResolvedDialect,
  type ResultMessage,
} from '../adapter/index.js';
import { type Deferred, deferred } from '../async.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { type CallRequest, type CallStats, unusablePicture } from './call.js';
import { Deadline } from './deadline.js';
import { callTimeoutError, closedError, cutShortError } from './exits.js';
import type { ResolvedRunnerOptions } from './options.js';
import { RecentCalls } from './recent-calls.js';
import {
  type CallResult,
  errorFromMessage,
  failedCall,
  failureOf,
  isPassing,
  judgeResult,
  readRects,
  withPidHint,
} from './result.js';

/** Calls that may wait for their turn. Sources wait for their results, so this is a net, not a buffer. */
const MAX_WAITING = 64;

/** What the queue needs from the owner of the adapter. */
export interface CallQueueHost {
  /** Sends to the adapter; may throw OPTION_INVALID. */
  send(message: CallMessage): void;
  /** The adapter hangs: end it. */
  kill(reason: BridgeError): void;
  /** The adapter answered a call. */
  answered(): void;
  problem(error: BridgeError): void;
}

interface Call {
  readonly request: CallRequest;
  /** Of its `execute`, and of its result. */
  requestId: string;
  retried: boolean;
  readonly done: (result: CallResult) => void;
}

interface InFlight {
  readonly call: Call;
  readonly phase: Phase;
  /** Of this message: `pre` has its own. */
  readonly messageId: string;
  readonly sentAt: number;
}

/** The calls to one adapter: one in flight, each with its time limit, results matched by request id. */
export class CallQueue {
  readonly #stats = { calls: 0, ok: 0, ng: 0, failed: 0, timeouts: 0, retries: 0 };
  readonly #recent = new RecentCalls();
  readonly #options: ResolvedRunnerOptions;
  readonly #host: CallQueueHost;
  readonly #deadline = new Deadline();
  readonly #waiting: Call[] = [];
  #inFlight: InFlight | undefined;
  /** Of the adapter that is there; undefined while there is none. */
  #dialect: ResolvedDialect | undefined;
  /** It has answered something: the limits of calls count. Before, its start-up limit does. */
  #loaded = false;
  #preDone = false;
  #calibrationRects: readonly Rect[] | undefined;
  #pidHinted = false;
  #closedFor: BridgeError | undefined;
  /** `finish` waits for the call in flight. */
  #finished: Deferred | undefined;

  constructor(options: ResolvedRunnerOptions, host: CallQueueHost) {
    this.#options = options;
    this.#host = host;
  }

  get stats(): CallStats {
    return { ...this.#stats, ...this.#recent.counts };
  }

  get busy(): boolean {
    return this.#inFlight !== undefined;
  }

  /** Never rejects: what goes wrong is a result of outcome `failed`. */
  submit(request: CallRequest): Promise<CallResult> {
    return new Promise((done) => {
      this.#stats.calls += 1;
      const call: Call = { request, requestId: randomUUID(), retried: false, done };
      const refusal = this.#refusal(request);
      if (refusal !== undefined) return this.#finish(call, failedCall(call.requestId, refusal, 0));
      this.#waiting.push(call);
      this.#next();
    });
  }

  /** A new adapter is there and knows nothing of the session yet. */
  adapterThere(dialect: ResolvedDialect): void {
    this.#dialect = dialect;
    this.#loaded = false;
    this.#preDone = false;
    this.#calibrationRects = undefined;
    this.#next();
  }

  /** It has answered for the first time. */
  adapterLoaded(): void {
    this.#loaded = true;
    if (this.#inFlight !== undefined) this.#limit(this.#inFlight);
  }

  /** The adapter is gone or going: the call in flight fails, the others wait for the next adapter. */
  adapterGone(error: BridgeError): void {
    this.#dialect = undefined;
    if (this.#inFlight !== undefined) this.#fail(this.#inFlight, error, false);
  }

  /** There will be no adapter any more: everything fails, now and until `open()`. */
  close(error: BridgeError): void {
    this.#refuse(error);
    this.adapterGone(error);
  }

  /**
   * Takes no more calls; those that wait fail. Resolves when the call that a loaded adapter works on has its result, which
   * is its only try from now on.
   */
  async finish(): Promise<void> {
    this.#refuse(closedError());
    if (this.#inFlight === undefined) return;
    if (!this.#loaded) return this.adapterGone(closedError());
    this.#finished ??= deferred();
    await this.#finished.promise;
  }

  /** The call in flight fails. */
  cutShort(): void {
    if (this.#inFlight !== undefined) this.adapterGone(cutShortError());
  }

  /** The picture of the call in flight, and what is left of its limits; undefined: there is none. */
  get underWay(): { readonly imageId: string; readonly leftMs: number } | undefined {
    if (this.#inFlight === undefined) return undefined;
    const { call, phase, sentAt } = this.#inFlight;
    const { preMs, callMs } = this.#options.timings;
    const limitMs = phase === 'pre' ? preMs + callMs : callMs;
    return { imageId: call.request.image.id, leftMs: Math.max(0, sentAt + limitMs - performance.now()) };
  }

  open(): void {
    this.#closedFor = undefined;
  }

  result(message: ResultMessage): void {
    const inFlight = this.#match(message.request_id);
    if (inFlight === undefined) return;
    if (inFlight.phase === 'pre') return this.#preResult(inFlight, message);
    const latencyMs = performance.now() - inFlight.sentAt;
    const { requestId, request } = inFlight.call;
    const facts = { requestId, latencyMs, image: request.image, calibrationRects: this.#calibrationRects };
    const result = judgeResult(message, facts);
    if (result.outcome === 'failed') this.#fail(inFlight, result.error, true, result.data);
    else this.#end(inFlight, result, true);
  }

  /** An `error` message with a request id. */
  error(message: ErrorMessage, requestId: string): void {
    const inFlight = this.#match(requestId);
    if (inFlight !== undefined) this.#fail(inFlight, errorFromMessage(message), true);
  }

  /** A message that could not be used; true when it was the answer to the call in flight. */
  unusable(error: BridgeError, requestId: string | undefined): boolean {
    if (requestId === undefined || this.#inFlight?.messageId !== requestId) return false;
    this.#host.answered();
    this.#fail(this.#inFlight, error, true);
    return true;
  }

  #refuse(error: BridgeError): void {
    this.#closedFor = error;
    for (const call of this.#waiting.splice(0)) this.#finish(call, failedCall(call.requestId, error, 0));
  }

  #refusal(request: CallRequest): BridgeError | undefined {
    if (this.#closedFor !== undefined) return this.#closedFor;
    const unusable = unusablePicture(request);
    if (unusable !== undefined) return unusable;
    if (this.#waiting.length < MAX_WAITING) return undefined;
    const message = `More than ${MAX_WAITING} calls wait for the algorithm: wait for results before submitting more.`;
    return new BridgeError('INTERNAL', message);
  }

  #next(): void {
    if (this.#dialect === undefined || this.#inFlight !== undefined) return;
    const call = this.#waiting.shift();
    if (call === undefined) return;
    const pre = this.#dialect.pre && this.#options.preExecute !== 'never' && !this.#preDone;
    this.#send(call, pre ? 'pre' : 'execute', this.#dialect);
  }

  #send(call: Call, phase: Phase, dialect: ResolvedDialect): void {
    const requestId = phase === 'pre' ? randomUUID() : call.requestId;
    const inFlight: InFlight = { call, phase, messageId: requestId, sentAt: performance.now() };
    this.#inFlight = inFlight;
    const { image, reference } = call.request;
    const { settings } = this.#options;
    try {
      this.#host.send(buildCall(dialect, { requestId, phase, settings, image, reference }));
    } catch (error) {
      return this.#fail(inFlight, asBridgeError(error), false);
    }
    if (this.#loaded) this.#limit(inFlight);
  }

  #limit(inFlight: InFlight): void {
    const { preMs, callMs } = this.#options.timings;
    const limitMs = inFlight.phase === 'pre' ? preMs : callMs;
    this.#deadline.start(limitMs, () => {
      this.#stats.timeouts += 1;
      // The owner calls `adapterGone` for it, which fails the call and keeps the next one from being sent.
      this.#host.kill(callTimeoutError(inFlight.phase, limitMs, inFlight.messageId));
    });
  }

  #preResult(inFlight: InFlight, message: ResultMessage): void {
    const failure = failureOf(message);
    if (failure !== undefined) return this.#fail(inFlight, failure, true);
    this.#deadline.clear();
    this.#recent.add(inFlight.messageId, true);
    this.#preDone = this.#options.preExecute === 'session';
    this.#calibrationRects = readRects(message.data?.['calibration_rects'], new Set());
    if (this.#dialect !== undefined) this.#send(inFlight.call, 'execute', this.#dialect);
  }

  /** The call in flight when the id is its own; otherwise the stray is counted. */
  #match(requestId: string): InFlight | undefined {
    const inFlight = this.#inFlight?.messageId === requestId ? this.#inFlight : undefined;
    if (inFlight) this.#host.answered();
    // The answer to a call that was cut short is not astray.
    else if (!this.#closedFor) this.#recent.stray(requestId);
    return inFlight;
  }

  #fail(inFlight: InFlight, error: BridgeError, answered: boolean, data: Record<string, unknown> = {}): void {
    const { call, sentAt } = inFlight;
    if (this.#options.retry && !this.#closedFor && !call.retried && isPassing(error)) {
      this.#stats.retries += 1;
      call.retried = true;
      call.requestId = randomUUID();
      this.#clear(inFlight, answered);
      this.#waiting.unshift(call);
      return this.#next();
    }
    const latencyMs = performance.now() - sentAt;
    this.#end(inFlight, failedCall(call.requestId, this.#hint(error), latencyMs, data), answered);
  }

  /** The first refusal of the product id says what is to be done about it. */
  #hint(error: BridgeError): BridgeError {
    if (this.#pidHinted) return error;
    const hinted = withPidHint(error, this.#options.settings.pid);
    this.#pidHinted = hinted !== error;
    return hinted;
  }

  #end(inFlight: InFlight, result: CallResult, answered: boolean): void {
    this.#clear(inFlight, answered);
    this.#finish(inFlight.call, result);
    this.#next();
  }

  #clear(inFlight: InFlight, answered: boolean): void {
    this.#deadline.clear();
    this.#inFlight = undefined;
    if (this.#closedFor) this.#finished?.resolve();
    this.#recent.add(inFlight.messageId, answered);
  }

  #finish(call: Call, result: CallResult): void {
    this.#stats[result.outcome] += 1;
    call.done(result);
    try {
      call.request.release?.();
    } catch (error) {
      this.#host.problem(asBridgeError(error));
    }
  }
}
