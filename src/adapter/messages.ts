/**
 * The messages of the algorithm adapter protocol (ProcVision SDK 0.0.6 to 0.3.2). Unknown fields are kept.
 * Fields that only inform (times, versions, texts) never make a message invalid; fields that decide something do.
 */
import * as z from 'zod';
import { BridgeError } from '../errors.js';
import { type JsonObject, requestIdOf } from './framing.js';

const text = z.string().optional().catch(undefined);
const time = { timestamp_ms: z.number().optional().catch(undefined) };
const record = z.record(z.string(), z.unknown());

/** A rectangle in pixels of the frame, from its upper left corner. */
export const rectSchema = z.looseObject({
  x: z.number(),
  y: z.number(),
  width: z.number().nonnegative(),
  height: z.number().nonnegative(),
  label: text,
  score: z.number().optional().catch(undefined),
});
export type Rect = z.infer<typeof rectSchema>;

/** Where the parts to inspect are expected: a label and its places. */
export const guideInfoSchema = z.array(z.looseObject({ label: z.string(), posList: z.array(rectSchema) }));

/** What an adapter must know of an image besides its id. Pixels, Unix milliseconds. */
const imageMetaSchema = z.looseObject({
  width: z.int().positive(),
  height: z.int().positive(),
  timestamp_ms: z.number(),
  camera_id: z.string(),
  color_space: z.enum(['RGB', 'BGR']).optional(),
  data: z.unknown().optional(),
});
export type ImageMeta = z.infer<typeof imageMetaSchema>;

/** Every field a call can carry, of both SDK generations; which of them are there is the dialect's matter. */
const callDataSchema = z.looseObject({
  step_index: z.int(),
  // SDK 0.3
  step_desc: z.string().optional(),
  guide_info: guideInfoSchema.optional(),
  cur_image_shm_id: z.string().optional(),
  cur_image_meta: imageMetaSchema.optional(),
  guide_image_shm_id: z.string().optional(),
  guide_image_meta: imageMetaSchema.optional(),
  // SDK 0.0.x
  phase: z.enum(['pre', 'execute']).optional(),
  pid: z.string().optional(),
  session: z
    .looseObject({
      id: z.string(),
      context: z.looseObject({ product_code: z.string().optional(), trace_id: z.string().optional() }),
    })
    .optional(),
  user_params: record.optional(),
  shared_mem_id: z.string().optional(),
  image_meta: imageMetaSchema.optional(),
});
export type CallData = z.infer<typeof callDataSchema>;

/** `data`, `method` with `payload`, or (flat) the data's fields beside `type`. */
export const callSchema = z.looseObject({
  type: z.literal('call'),
  request_id: z.string(),
  ...time,
  data: callDataSchema.optional(),
  method: z.enum(['pre_execute', 'execute']).optional(),
  payload: callDataSchema.optional(),
});
export type CallMessage = z.infer<typeof callSchema>;

/** The runner's answer to the adapter's hello. Times in milliseconds. */
export const runnerHelloSchema = z.looseObject({
  type: z.literal('hello'),
  runner_version: z.string(),
  heartbeat_interval_ms: z.int().positive(),
  heartbeat_grace_ms: z.int().positive(),
});

/** What goes to an adapter. */
export type RunnerMessage =
  | z.infer<typeof runnerHelloSchema>
  | CallMessage
  | { readonly type: 'ping'; readonly request_id: string; readonly timestamp_ms: number }
  | { readonly type: 'shutdown'; readonly timestamp_ms: number };

/** The adapter's first message. `capabilities` tells the SDK generations apart. */
const helloSchema = z.looseObject({
  type: z.literal('hello'),
  sdk_version: text,
  ...time,
  capabilities: z.array(z.string()).catch([]),
});
export type AdapterHello = z.infer<typeof helloSchema>;

/** `status` says whether the call worked; what the algorithm decided is in `data`, see `resultDataSchema`. */
export const resultSchema = z.looseObject({
  type: z.literal('result'),
  request_id: z.string(),
  ...time,
  message: text,
  status: z.enum(['OK', 'ERROR']),
  data: record.nullish(),
});
export type ResultMessage = z.infer<typeof resultSchema>;

/**
 * The fields of a result's `data` that decide something. Adapters pass on what the algorithm returned without looking at
 * it, so these are checked one by one where the result is judged, and one bad field does not cost the others.
 */
export const resultDataSchema = z.looseObject({
  result_status: z.enum(['OK', 'NG']),
  ng_reason: z.string().min(1),
  debug: record,
});

/** A failure outside of a result. Without a request id it concerns the adapter as a whole (a failed import). */
const errorSchema = z.looseObject({
  type: z.literal('error'),
  request_id: z.string().nullish(),
  ...time,
  message: text,
  status: text,
  error_code: z
    .union([z.string(), z.number().transform(String)])
    .optional()
    .catch(undefined),
});
export type ErrorMessage = z.infer<typeof errorSchema>;

const adapterMessageSchema = z.discriminatedUnion('type', [
  helloSchema,
  resultSchema,
  z.looseObject({ type: z.literal('pong'), request_id: z.string(), ...time, status: text }),
  errorSchema,
  // The answer to the runner's shutdown; the exit follows.
  z.looseObject({ type: z.literal('shutdown'), ...time, status: text }),
]);
/** What comes from an adapter. */
export type AdapterMessage = z.infer<typeof adapterMessageSchema>;

const KNOWN_TYPES: ReadonlySet<unknown> = new Set(
  adapterMessageSchema.options.map(({ shape }) => shape.type.value),
);

/** "data.x: expected number; status: ..." in one line. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`))
    .join('; ');
}

/**
 * Reads one message from an adapter. Gives a RUNNER_PROTOCOL error for one of an unknown type (`unknownType` in its
 * context) or with unusable fields (`requestId`: whose answer it is).
 */
export function parseAdapterMessage(value: JsonObject): AdapterMessage | BridgeError {
  const { type } = value;
  if (!KNOWN_TYPES.has(type)) {
    const unknownType = typeof type === 'string' ? type.slice(0, 40) : typeof type;
    const message = `The algorithm adapter sent a message of the unknown type "${unknownType}"; it is ignored.`;
    return new BridgeError('RUNNER_PROTOCOL', message, { context: { unknownType } });
  }
  const parsed = adapterMessageSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = describeIssues(parsed.error);
  return new BridgeError('RUNNER_PROTOCOL', `The algorithm adapter sent an invalid ${type}: ${issues}`, {
    context: { type, issues, requestId: requestIdOf(value) },
  });
}
