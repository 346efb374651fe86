import {
  type AlgorithmErrorCode,
  describeCode,
  type ErrorMessage,
  type ImageReference,
  type JsonObject,
  mayPass,
  namedCode,
  type Rect,
  type ResultMessage,
  rectSchema,
  refusesPid,
  resultDataSchema,
} from '../adapter/index.js';
import { BridgeError, type ErrorCode } from '../errors.js';
import { printable } from './log-lines.js';

/** Most defect rectangles a result may carry by the protocol. */
export const MAX_DEFECT_RECTS = 20;

/** What is odd about a verdict that was accepted all the same. */
export const RESULT_FLAGS = [
  /** NG, but no `ng_reason`. */
  'ng-without-reason',
  /** More than `MAX_DEFECT_RECTS` defect rectangles; all are kept. */
  'too-many-rects',
  /** A rectangle reaches outside the frame; it is kept. */
  'rect-outside-frame',
  /** A rectangle, or a list of them, that is none; it is left out here and still in `data`. */
  'rect-malformed',
] as const;
export type ResultFlag = (typeof RESULT_FLAGS)[number];

/** The algorithm decided. Rectangles in pixels of the frame. */
export interface Verdict {
  readonly outcome: 'ok' | 'ng';
  readonly requestId: string;
  readonly status: 'OK';
  readonly resultStatus: 'OK' | 'NG';
  readonly message?: string;
  readonly ngReason?: string;
  readonly defectRects: readonly Rect[];
  readonly positionRects?: readonly Rect[];
  /** The result's own, else those of the session's `pre` call. */
  readonly calibrationRects?: readonly Rect[];
  readonly debug?: JsonObject;
  readonly flags: readonly ResultFlag[];
  /** From sending the call to receiving its result. */
  readonly latencyMs: number;
  /** The result's `data` as it came. */
  readonly data: JsonObject;
}

/** The call came to nothing: there is no verdict about this frame. */
export interface FailedCall {
  readonly outcome: 'failed';
  readonly requestId: string;
  readonly status: 'ERROR';
  /** The error's. ALGORITHM_FAILED: the algorithm itself said so; the RUNNER codes: its process failed. */
  readonly code: ErrorCode;
  readonly error: BridgeError;
  /** The algorithm's own code and its name, when it gave one. */
  readonly algorithmCode?: AlgorithmErrorCode;
  readonly latencyMs: number;
  /** What came with a result of status ERROR. */
  readonly data?: JsonObject;
}

export type CallResult = Verdict | FailedCall;

/** Most characters of an algorithm's own text in an error. */
const MAX_TEXT = 2_000;

/** A failure that the algorithm itself reports: status ERROR, or an error message. */
function algorithmError(text: string | undefined, code: unknown, requestId: string | undefined): BridgeError {
  const named = namedCode(code);
  const said =
    text === undefined || text === '' ? 'no message; see its log' : printable(text.slice(0, MAX_TEXT));
  return new BridgeError(
    'ALGORITHM_FAILED',
    `The algorithm reports an error${describeCode(named)}: ${said}`,
    { context: { status: 'ERROR', errorCode: named?.code, errorName: named?.name, requestId } },
  );
}

/** The failure an adapter reports with an `error` message, for one call or for the adapter as a whole. */
export function errorFromMessage(message: ErrorMessage): BridgeError {
  return algorithmError(message.message, message.error_code, message.request_id ?? undefined);
}

/** Whether a second try may do: a time-out, busy, out of memory. */
export function isPassing({ code, context, message }: BridgeError): boolean {
  if (code === 'ALGORITHM_FAILED') return mayPass(context['errorCode'] as string | undefined, message);
  return code === 'RUNNER_TIMEOUT' || (code === 'RUNNER_EXITED' && context['reason'] === 'out-of-memory');
}

/** Says what is to be done about a refusal of the product id; any other error is given back. */
export function withPidHint(error: BridgeError, pid: string): BridgeError {
  const { code, context, message } = error;
  const refused =
    code === 'ALGORITHM_FAILED' && refusesPid(context['errorCode'] as string | undefined, message);
  if (!refused) return error;
  const hint = `The calls carry the product id "${pid}": set pid to one that the algorithm supports.`;
  return new BridgeError(code, `${message}. ${hint}`, {
    context: { ...context, options: ['pid'] },
    cause: error,
  });
}

/** `undefined` when a result has status OK, which is enough for a `pre` call; otherwise the algorithm's error. */
export function failureOf(message: ResultMessage): BridgeError | undefined {
  if (message.status === 'OK') return undefined;
  return algorithmError(message.message, message['error_code'], message.request_id);
}

/** A list of rectangles out of whatever the algorithm returned; `undefined` when there was no such field. */
export function readRects(value: unknown, flags: Set<ResultFlag>): Rect[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) {
    flags.add('rect-malformed');
    return undefined;
  }
  const rects: Rect[] = [];
  for (const item of value) {
    const parsed = rectSchema.safeParse(item);
    if (parsed.success) rects.push(parsed.data);
    else flags.add('rect-malformed');
  }
  return rects;
}

function outside(rect: Rect, frame: ImageReference): boolean {
  return rect.x < 0 || rect.y < 0 || rect.x + rect.width > frame.width || rect.y + rect.height > frame.height;
}

export interface CallFacts {
  readonly requestId: string;
  readonly latencyMs: number;
  readonly image: ImageReference;
  /** From the session's `pre` call. */
  readonly calibrationRects?: readonly Rect[] | undefined;
}

/**
 * Judges one result of an `execute` call. A verdict needs status OK and a result status of OK or NG; what else
 * is wrong with it is flagged and does not hide the verdict. Anything less is a failed call, never a verdict.
 */
export function judgeResult(message: ResultMessage, facts: CallFacts): CallResult {
  const failure = failureOf(message);
  const data = message.data ?? {};
  if (failure !== undefined) return failedCall(facts.requestId, failure, facts.latencyMs, data);
  const decided = resultDataSchema.shape.result_status.safeParse(data['result_status']);
  if (!decided.success) {
    const error = new BridgeError(
      'RUNNER_PROTOCOL',
      'The algorithm returned status OK without a result_status of "OK" or "NG" in data: there is no verdict about this frame.',
      { context: { requestId: facts.requestId, resultStatus: data['result_status'] } },
    );
    return failedCall(facts.requestId, error, facts.latencyMs, data);
  }

  const flags = new Set<ResultFlag>();
  const reason = resultDataSchema.shape.ng_reason.safeParse(data['ng_reason']);
  const defectRects = readRects(data['defect_rects'], flags) ?? [];
  const positionRects = readRects(data['position_rects'], flags);
  const calibrationRects = readRects(data['calibration_rects'], flags) ?? facts.calibrationRects;
  const debug = resultDataSchema.shape.debug.safeParse(data['debug']);
  if (decided.data === 'NG' && !reason.success) flags.add('ng-without-reason');
  if (defectRects.length > MAX_DEFECT_RECTS) flags.add('too-many-rects');
  const placed = [...defectRects, ...(positionRects ?? [])];
  if (placed.some((rect) => outside(rect, facts.image))) flags.add('rect-outside-frame');

  return {
    outcome: decided.data === 'OK' ? 'ok' : 'ng',
    requestId: facts.requestId,
    status: 'OK',
    resultStatus: decided.data,
    ...(message.message === undefined || message.message === '' ? {} : { message: message.message }),
    ...(reason.success ? { ngReason: reason.data } : {}),
    defectRects,
    ...(positionRects === undefined ? {} : { positionRects }),
    ...(calibrationRects === undefined ? {} : { calibrationRects }),
    ...(debug.success ? { debug: debug.data } : {}),
    flags: [...flags],
    latencyMs: facts.latencyMs,
    data,
  };
}

/** A failed call; `data` only when there is something in it. */
export function failedCall(
  requestId: string,
  error: BridgeError,
  latencyMs: number,
  data: JsonObject = {},
): FailedCall {
  const algorithmCode = namedCode(error.context['errorCode']);
  const failed = {
    outcome: 'failed',
    requestId,
    status: 'ERROR',
    code: error.code,
    error,
    ...(algorithmCode === undefined ? {} : { algorithmCode }),
    latencyMs,
  } as const;
  return Object.keys(data).length === 0 ? failed : { ...failed, data };
}
