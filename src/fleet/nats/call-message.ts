/** The subjects of remote calls, and a call's result as a message. */
import { errors } from '@nats-io/transport-node';
import { z } from 'zod';
import { asBridgeError, BridgeError, ERROR_CODES } from '../../errors.js';
import { parseJson } from '../../json.js';
import { type CallResult, RESULT_FLAGS } from '../../runner/index.js';
import { type CameraName, checkedName, subjectOf, subjectOfAll } from '../names.js';

/** Every camera of a site. */
export const ANY_CAMERA = '*';

/** Where a free adapter is asked for: the server gives each request to one of the queue group that is there. */
export const takeSubject = (name: CameraName): string => subject(name, 'take');
/** Whether there is a worker at all, free or not. */
export const workerSubject = (name: CameraName): string => subject(name, 'worker');
/** That an adapter has become free. */
export const freeSubject = (site: string): string => `openmv.${checkedName(site, 'site')}.free`;
export const WORKERS = 'workers';

/** What a worker answers that has not taken the call: another one may have it. */
export const NOT_TAKEN = 'not taken';

function subject({ site, camera }: CameraName, kind: string): string {
  return camera === ANY_CAMERA ? subjectOfAll(site, kind) : subjectOf({ site, camera }, kind);
}

const rects = z.array(z.looseObject({ x: z.number(), y: z.number(), width: z.number(), height: z.number() }));
const values = z.record(z.string(), z.unknown());
const common = { requestId: z.string(), latencyMs: z.number() };

const answerSchema = z.discriminatedUnion('outcome', [
  z.looseObject({
    ...common,
    outcome: z.enum(['ok', 'ng']),
    status: z.literal('OK'),
    resultStatus: z.enum(['OK', 'NG']),
    message: z.string().optional(),
    ngReason: z.string().optional(),
    defectRects: rects,
    positionRects: rects.optional(),
    calibrationRects: rects.optional(),
    debug: values.optional(),
    flags: z.array(z.enum(RESULT_FLAGS)),
    data: values,
  }),
  z.looseObject({
    ...common,
    outcome: z.literal('failed'),
    status: z.literal('ERROR'),
    code: z.enum(ERROR_CODES),
    error: z.object({ message: z.string(), context: values }),
    algorithmCode: z.object({ code: z.string(), name: z.string() }).optional(),
    data: values.optional(),
  }),
]);

/** A result as text. */
export function answerText(result: CallResult): string {
  if (result.outcome !== 'failed') return JSON.stringify(result);
  const { message, context } = result.error;
  return JSON.stringify({ ...result, error: { message, context } });
}

/** The result of such a text, with what the call took here; RUNNER_PROTOCOL: it is none. */
export function resultOfAnswer(text: string, latencyMs: number): CallResult {
  try {
    const answer = answerSchema.parse(parseJson(text));
    if (answer.outcome !== 'failed') return { ...answer, latencyMs } as unknown as CallResult;
    const { code, error } = answer;
    const known = new BridgeError(code, error.message, { context: error.context });
    return { ...answer, error: known, latencyMs } as unknown as CallResult;
  } catch (cause) {
    const { message } = asBridgeError(cause);
    throw new BridgeError('RUNNER_PROTOCOL', `A worker's answer is no result: ${message}`, { cause });
  }
}

/** Whether a request ended because none listens to its subject: the server says so at once. */
export function nobodyThere(error: unknown): boolean {
  if (error instanceof errors.NoRespondersError) return true;
  return error instanceof errors.RequestError && error.isNoResponders();
}
