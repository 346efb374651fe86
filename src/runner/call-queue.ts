import { randomUUID } from 'node:crypto';
import {
  buildCall,
  type CallMessage,
  type ErrorMessage,
  type ImageReference,
  mayPass,
  type Phase,
  type Rect,
  type ResolvedDialect,
  type ResultMessage,
  refusesPid,
} from '../adapter/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { Deadline } from './deadline.js';
import type { ResolvedRunnerOptions } from './options.js';
import { RecentCalls, type StrayCounts } from './recent-calls.js';
import {
  type CallResult,
  errorFromMessage,
  failedCall,
  failureOf,
  judgeResult,
  readRects,
} from './result.js';

/** Calls that may wait for their turn. Sources wait for their results, so this is a net, not a buffer. */
const MAX_WAITING = 64;

/** One image to inspect. */
export interface CallRequest {
  readonly image: ImageReference;
  /** The step's reference image; default: the frame. */
  readonly reference?: ImageReference;
  /** Called exactly once, when the call has its result: the adapter does not need the image's file any more. */
  release?(): void;
}

export interface CallStats extends StrayCounts {
  /** Calls submitted. */
  calls: number;
  ok: number;
  ng: number;
  /** Calls that ended without a verdict, for any reason. */
  failed: number;
  /** Calls that took too long, each time that one did. */
  timeouts: number;
  /** Calls that were tried once more. */
  retries: number;
}

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
    this.#closedFor = error;
    this.adapterGone(error);
    for (const call of this.#waiting.splice(0)) this.#finish(call, failedCall(call.requestId, error, 0));
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

  #refusal({ image, reference }: CallRequest): BridgeError | undefined {
    if (this.#closedFor !== undefined) return this.#closedFor;
    for (const { id, width, height } of reference === undefined ? [image] : [image, reference]) {
      if (id !== '' && Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)
        continue;
      const message = `The image "${id}" of ${width}x${height} pixels cannot be given to an algorithm: it needs an id and a size.`;
      return new BridgeError('FRAME_CORRUPT', message, { context: { id, width, height } });
    }
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
      const message = `The algorithm did not answer ${inFlight.phase === 'pre' ? 'pre_execute' : 'execute'} within ${limitMs} ms; its adapter is restarted.`;
      const context = { requestId: inFlight.messageId, phase: inFlight.phase, limitMs };
      this.#stats.timeouts += 1;
      // The owner calls `adapterGone` for it, which fails the call and keeps the next one from being sent.
      this.#host.kill(new BridgeError('RUNNER_TIMEOUT', message, { context }));
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
    if (inFlight === undefined) this.#recent.stray(requestId);
    else this.#host.answered();
    return inFlight;
  }

  #fail(inFlight: InFlight, error: BridgeError, answered: boolean, data: Record<string, unknown> = {}): void {
    const { call, sentAt } = inFlight;
    if (this.#options.retry && !call.retried && isPassing(error)) {
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
    const { errorCode } = error.context as { errorCode?: string };
    if (error.code !== 'ALGORITHM_FAILED' || this.#pidHinted) return error;
    if (!refusesPid(errorCode, error.message)) return error;
    this.#pidHinted = true;
    const { pid } = this.#options.settings;
    const hint = `The calls carry the product id "${pid}": set pid to one that the algorithm supports.`;
    return new BridgeError(error.code, `${error.message}. ${hint}`, { context: error.context, cause: error });
  }

  #end(inFlight: InFlight, result: CallResult, answered: boolean): void {
    this.#clear(inFlight, answered);
    this.#finish(inFlight.call, result);
    this.#next();
  }

  #clear(inFlight: InFlight, answered: boolean): void {
    this.#deadline.clear();
    this.#inFlight = undefined;
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

/** Whether a second try may do: a time-out, busy, out of memory. */
function isPassing({ code, context, message }: BridgeError): boolean {
  if (code === 'ALGORITHM_FAILED') return mayPass(context['errorCode'] as string | undefined, message);
  return code === 'RUNNER_TIMEOUT' || (code === 'RUNNER_EXITED' && context['reason'] === 'out-of-memory');
}
