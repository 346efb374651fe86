/** From a call message to what the algorithm gets, and from what it gives back to the result message. */
import { MAX_MESSAGE_BYTES } from './channel.js';
import { openPicture } from './picture.js';
import {
  type AlgorithmDefinition,
  AlgorithmError,
  type Call,
  type Inspection,
  type Preparation,
} from './types.js';

export type Message = Readonly<Record<string, unknown>>;

const EXCEPTION = '1009';
const INVALID_RETURN = 1000;

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};

/** Reads a call in whichever form its fields came: under `data`, under `payload`, or beside `type`. */
export function readCall(message: Message): {
  call: () => Call;
  phase: 'pre' | 'execute';
  stepIndex: number;
} {
  const raw = { ...message, ...record(message['payload']), ...record(message['data']) };
  const stepIndex = Number(raw['step_index']) || 1;
  const phase = raw['phase'] === 'pre' || raw['method'] === 'pre_execute' ? 'pre' : 'execute';
  const session = record(raw['session']);
  const call = (): Call => {
    const image = openPicture(
      raw['guide_image_shm_id'] ?? raw['shared_mem_id'],
      raw['guide_image_meta'] ?? raw['image_meta'],
    );
    const cur = raw['cur_image_shm_id'];
    return {
      requestId: String(message['request_id'] ?? ''),
      stepIndex,
      stepDesc: String(raw['step_desc'] ?? ''),
      guideInfo: Array.isArray(raw['guide_info']) ? raw['guide_info'] : [],
      pid: String(raw['pid'] ?? ''),
      userParams: record(raw['user_params']),
      session: { id: String(session['id'] ?? ''), context: record(session['context']) },
      image,
      reference: cur === undefined || cur === image.id ? image : openPicture(cur, raw['cur_image_meta']),
      raw,
    };
  };
  return { call, phase, stepIndex };
}

function inspectionData(given: Inspection): Record<string, unknown> {
  const { resultStatus, ngReason, defectRects, positionRects, calibrationRects, debug } = record(
    given,
  ) as Partial<Inspection>;
  if (resultStatus !== 'OK' && resultStatus !== 'NG') {
    throw new AlgorithmError(
      INVALID_RETURN,
      `execute must return { resultStatus: 'OK' | 'NG', ... }, not ${JSON.stringify(given) ?? String(given)}`,
    );
  }
  // JSON.stringify leaves out what is undefined.
  return {
    result_status: resultStatus,
    ng_reason: ngReason,
    defect_rects: defectRects ?? [],
    position_rects: positionRects,
    calibration_rects: calibrationRects,
    debug,
  };
}

/** JSON has no NaN and JSON.stringify makes a null of it: said here, or a rectangle would get lost unseen. */
function finite(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new AlgorithmError(
      INVALID_RETURN,
      `the result has ${value} for "${key}", which JSON does not have`,
    );
  }
  return value;
}

/** The answer to one call, as JSON. Never throws: whatever the algorithm does becomes a failed result. */
export async function answerCall(definition: AlgorithmDefinition, message: Message): Promise<string> {
  const { call, phase, stepIndex } = readCall(message);
  const head = { type: 'result', request_id: message['request_id'] };
  try {
    let data: Record<string, unknown>;
    let given: Inspection | Preparation | undefined;
    if (phase === 'pre') {
      given = await definition.preExecute?.(call());
      data = { calibration_rects: given?.calibrationRects ?? [] };
    } else {
      given = await definition.execute(call());
      data = inspectionData(given as Inspection);
    }
    const result = {
      ...head,
      timestamp_ms: Date.now(),
      status: 'OK',
      message: given?.message ?? '',
      data: { step_index: stepIndex, ...data },
    };
    const json = JSON.stringify(result, finite);
    const bytes = Buffer.byteLength(json);
    if (bytes > MAX_MESSAGE_BYTES) {
      throw new AlgorithmError(
        INVALID_RETURN,
        `the result has ${bytes} bytes; at most ${MAX_MESSAGE_BYTES} are allowed`,
      );
    }
    return json;
  } catch (error) {
    const known = error instanceof AlgorithmError;
    const text = error instanceof Error ? error.message : String(error);
    log('error', text, known || !(error instanceof Error) ? {} : { stack: error.stack });
    return JSON.stringify({
      ...head,
      timestamp_ms: Date.now(),
      status: 'ERROR',
      message: text,
      error_code: known ? error.code : EXCEPTION,
      data: { step_index: stepIndex },
    });
  }
}

/** One structured line of the log. */
export function log(
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  process.stderr.write(`${JSON.stringify({ level, timestamp_ms: Date.now(), message, ...fields })}\n`);
}
