import { randomUUID } from 'node:crypto';
import type { CallSettings } from '../adapter/dialects.js';
import { buildCall, type ImageReference, type Phase, type ResolvedDialect } from '../adapter/dialects.js';
import type { CallMessage, ErrorMessage, Rect, ResultMessage } from '../adapter/messages.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { Deadline } from './deadline.js';
import { EndedCalls, type StrayCounts } from './ended-calls.js';
import type { Timings } from './options.js';
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

/** One picture to inspect. */
export interface CallRequest {
  readonly image: ImageReference;
  /** The step's reference picture; without one the frame stands in for it. */
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
  /** Of these, calls that took too long. */
  timeouts: number;
}

/** What the desk needs from the one who owns the adapter. */
export interface CallDeskHost {
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
  readonly requestId: string;
  readonly done: (result: CallResult) => void;
}

interface InFlight {
  readonly call: Call;
  readonly phase: Phase;
  /** Of this message: `pre` has its own. */
  readonly messageId: string;
  readonly sentAt: number;
}

/** The line of calls to one adapter: one in flight, each with its time limit, results matched by request id. */
export class CallDesk {
  readonly #stats = { calls: 0, ok: 0, ng: 0, failed: 0, timeouts: 0 };
  readonly #ended = new EndedCalls();
  readonly #settings: CallSettings;
  readonly #timings: Timings;
  readonly #host: CallDeskHost;
  readonly #deadline = new Deadline();
  readonly #waiting: Call[] = [];
  #inFlight: InFlight | undefined;
  /** Of the adapter that is there; undefined while there is none. */
  #dialect: ResolvedDialect | undefined;
  #preDone = false;
  #calibrationRects: readonly Rect[] | undefined;
  #closedFor: BridgeError | undefined;

  constructor(settings: CallSettings, timings: Timings, host: CallDeskHost) {
    this.#settings = settings;
    this.#timings = timings;
    this.#host = host;
  }

  get stats(): CallStats {
    return { ...this.#stats, ...this.#ended.counts };
  }

  get busy(): boolean {
    return this.#inFlight !== undefined;
  }

  /** Never rejects: what goes wrong is a result of outcome `failed`. */
  submit(request: CallRequest): Promise<CallResult> {
    return new Promise((done) => {
      this.#stats.calls += 1;
      const call: Call = { request, requestId: randomUUID(), done };
      const refusal = this.#refusal(request);
      if (refusal !== undefined) {
        this.#finish(call, failedCall(call.requestId, refusal, 0));
        return;
      }
      this.#waiting.push(call);
      this.#next();
    });
  }

  /** A new adapter is there and knows nothing of the session yet. */
  adapterReady(dialect: ResolvedDialect): void {
    this.#dialect = dialect;
    this.#preDone = !dialect.pre;
    this.#calibrationRects = undefined;
    this.#next();
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
    if (inFlight.phase === 'pre') this.#preResult(inFlight, message);
    else {
      const latencyMs = performance.now() - inFlight.sentAt;
      const { requestId, request } = inFlight.call;
      const facts = { requestId, latencyMs, image: request.image, calibrationRects: this.#calibrationRects };
      this.#end(inFlight, judgeResult(message, facts), true);
    }
  }

  /** An `error` message with a request id. */
  error(message: ErrorMessage, requestId: string): void {
    const inFlight = this.#match(requestId);
    if (inFlight !== undefined) this.#fail(inFlight, errorFromMessage(message), true);
  }

  /** A message that could not be used; true when it was the answer to the call in flight. */
  unusable(error: BridgeError, requestId: string | undefined): boolean {
    if (requestId === undefined || this.#inFlight?.messageId !== requestId) return false;
    this.#fail(this.#inFlight, error, true);
    return true;
  }

  #refusal({ image, reference }: CallRequest): BridgeError | undefined {
    if (this.#closedFor !== undefined) return this.#closedFor;
    for (const { id, width, height } of reference === undefined ? [image] : [image, reference]) {
      if (id !== '' && Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)
        continue;
      const message = `The picture "${id}" of ${width}x${height} pixels cannot be given to an algorithm: it needs an id and a size.`;
      return new BridgeError('FRAME_CORRUPT', message, { context: { id, width, height } });
    }
    if (this.#waiting.length < MAX_WAITING) return undefined;
    const message = `More than ${MAX_WAITING} calls wait for the algorithm: wait for results before submitting more.`;
    return new BridgeError('INTERNAL', message);
  }

  #next(): void {
    if (this.#dialect === undefined || this.#inFlight !== undefined) return;
    const call = this.#waiting.shift();
    if (call !== undefined) this.#send(call, this.#preDone ? 'execute' : 'pre', this.#dialect);
  }

  #send(call: Call, phase: Phase, dialect: ResolvedDialect): void {
    const requestId = phase === 'pre' ? randomUUID() : call.requestId;
    const inFlight: InFlight = { call, phase, messageId: requestId, sentAt: performance.now() };
    this.#inFlight = inFlight;
    const { image, reference } = call.request;
    try {
      this.#host.send(buildCall(dialect, { requestId, phase, settings: this.#settings, image, reference }));
    } catch (error) {
      this.#fail(inFlight, asBridgeError(error), false);
      return;
    }
    const limitMs = phase === 'pre' ? this.#timings.preMs : this.#timings.callMs;
    this.#deadline.start(limitMs, () => this.#timedOut(inFlight, limitMs));
  }

  #timedOut(inFlight: InFlight, limitMs: number): void {
    const message = `The algorithm did not answer ${inFlight.phase === 'pre' ? 'pre_execute' : 'execute'} within ${limitMs} ms; its adapter is restarted.`;
    const error = new BridgeError('RUNNER_TIMEOUT', message, {
      context: { requestId: inFlight.messageId, phase: inFlight.phase, limitMs },
    });
    this.#stats.timeouts += 1;
    // The owner calls `adapterGone` for it, which fails the call and keeps the next one from being sent.
    this.#host.kill(error);
  }

  #preResult(inFlight: InFlight, message: ResultMessage): void {
    const failure = failureOf(message);
    if (failure !== undefined) {
      this.#fail(inFlight, failure, true);
      return;
    }
    this.#deadline.clear();
    this.#ended.add(inFlight.messageId, true);
    this.#preDone = true;
    this.#calibrationRects = readRects(message.data?.['calibration_rects'], new Set());
    if (this.#dialect !== undefined) this.#send(inFlight.call, 'execute', this.#dialect);
  }

  /** The call in flight when the id is its own; otherwise the stray is counted. */
  #match(requestId: string): InFlight | undefined {
    const inFlight = this.#inFlight?.messageId === requestId ? this.#inFlight : undefined;
    if (inFlight === undefined) this.#ended.stray(requestId);
    else this.#host.answered();
    return inFlight;
  }

  #fail(inFlight: InFlight, error: BridgeError, answered: boolean): void {
    const latencyMs = performance.now() - inFlight.sentAt;
    this.#end(inFlight, failedCall(inFlight.call.requestId, error, latencyMs), answered);
  }

  #end(inFlight: InFlight, result: CallResult, answered: boolean): void {
    this.#deadline.clear();
    this.#inFlight = undefined;
    this.#ended.add(inFlight.messageId, answered);
    this.#finish(inFlight.call, result);
    this.#next();
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
