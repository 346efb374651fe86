/** From a call message to what the algorithm gets, and from what it gives back to the result message. */
import { type JsonObject, MAX_RESULT_BYTES } from '../adapter/index.js';
import { openPicture } from './picture.js';
import { type AlgorithmDefinition, AlgorithmError, type Call, type Inspection } from './types.js';

const EXCEPTION = '1009';
const INVALID_RETURN = 1000;

const record = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** A call's fields in whichever form they came: under `data`, under `payload`, or beside `type`. */
const fieldsOf = (message: JsonObject): JsonObject => ({
  ...message,
  ...record(message['payload']),
  ...record(message['data']),
});

function readCall(raw: JsonObject, stepIndex: number): Call {
  const session = record(raw['session']);
  const image = openPicture(
    raw['guide_image_shm_id'] ?? raw['shared_mem_id'],
    raw['guide_image_meta'] ?? raw['image_meta'],
  );
  const cur = raw['cur_image_shm_id'];
  return {
    requestId: String(raw['request_id'] ?? ''),
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
}

function inspectionData(given: Inspection): JsonObject {
  const fields: Partial<Inspection> = record(given);
  if (fields.resultStatus !== 'OK' && fields.resultStatus !== 'NG') {
    throw new AlgorithmError(
      INVALID_RETURN,
      `execute must return { resultStatus: 'OK' | 'NG', ... }, not ${JSON.stringify(given) ?? String(given)}`,
    );
  }
  // JSON.stringify leaves out what is undefined.
  return {
    result_status: fields.resultStatus,
    ng_reason: fields.ngReason,
    defect_rects: fields.defectRects ?? [],
    position_rects: fields.positionRects,
    calibration_rects: fields.calibrationRects,
    debug: fields.debug,
  };
}

/** JSON has no NaN, and JSON.stringify makes a null of it: without this a rectangle would get lost unnoticed. */
function finite(key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  throw new AlgorithmError(INVALID_RETURN, `the result has ${value} for "${key}", which JSON does not have`);
}

/** What the algorithm says to a call: the result's message and its data beside the step. */
async function run(
  definition: AlgorithmDefinition,
  raw: JsonObject,
  stepIndex: number,
): Promise<{ message?: string | undefined; data: JsonObject }> {
  if (raw['phase'] === 'info') {
    const { version = '', info } = definition;
    return {
      data: { phase: 'info', step_index: 0, info: { version, supported_pids: [], steps: [], ...info } },
    };
  }
  const call = readCall(raw, stepIndex);
  if (raw['phase'] === 'pre' || raw['method'] === 'pre_execute') {
    const given = await definition.preExecute?.(call);
    return { message: given?.message, data: { calibration_rects: given?.calibrationRects ?? [] } };
  }
  const given = await definition.execute(call);
  return { message: given?.message, data: inspectionData(given) };
}

/** The answer to one call, as JSON. Never throws: what the algorithm throws becomes a failed result. */
export async function answerCall(definition: AlgorithmDefinition, request: JsonObject): Promise<string> {
  const raw = fieldsOf(request);
  const stepIndex = Number(raw['step_index']) || 1;
  const head = { type: 'result', request_id: request['request_id'] };
  try {
    const { message = '', data } = await run(definition, raw, stepIndex);
    const json = JSON.stringify(
      { ...head, timestamp_ms: Date.now(), status: 'OK', message, data: { step_index: stepIndex, ...data } },
      finite,
    );
    const bytes = Buffer.byteLength(json);
    if (bytes <= MAX_RESULT_BYTES) return json;
    throw new AlgorithmError(
      INVALID_RETURN,
      `the result has ${bytes} bytes; at most ${MAX_RESULT_BYTES} are allowed`,
    );
  } catch (error) {
    const known = error instanceof AlgorithmError;
    const message = error instanceof Error ? error.message : String(error);
    log('error', message, known || !(error instanceof Error) ? {} : { stack: error.stack });
    const error_code = known ? error.code : EXCEPTION;
    const data = { step_index: stepIndex };
    return JSON.stringify({ ...head, timestamp_ms: Date.now(), status: 'ERROR', message, error_code, data });
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
