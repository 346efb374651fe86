import * as z from 'zod';
import { BridgeError } from '../errors.js';
import { type JsonObject, requestIdOf } from './framing.js';

/**
 * The messages of the algorithm adapter protocol (ProcVision SDK 0.0.6 to 0.3.2). Unknown fields are kept.
 * Fields that only inform (times, versions, texts) never make a message invalid; fields that decide something do.
 */

const informative = {
  timestamp_ms: z.number().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
};

/** The adapter's first message. `capabilities` tells the SDK generations apart. */
export const adapterHelloSchema = z.looseObject({
  type: z.literal('hello'),
  sdk_version: z.string().optional().catch(undefined),
  timestamp_ms: informative.timestamp_ms,
  capabilities: z.array(z.string()).catch([]),
});

/** The answer to it. Times in milliseconds. */
export const runnerHelloSchema = z.looseObject({
  type: z.literal('hello'),
  runner_version: z.string(),
  heartbeat_interval_ms: z.number().int().positive(),
  heartbeat_grace_ms: z.number().int().positive(),
});

/** What an adapter must know of a picture besides its id. Pixels, Unix milliseconds. */
export const imageMetaSchema = z.looseObject({
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  timestamp_ms: z.number(),
  camera_id: z.string(),
  color_space: z.enum(['RGB', 'BGR']).optional(),
});

/** A rectangle in pixels of the frame, from its upper left corner. */
export const rectSchema = z.looseObject({
  x: z.number(),
  y: z.number(),
  width: z.number().nonnegative(),
  height: z.number().nonnegative(),
  label: z.string().optional().catch(undefined),
  score: z.number().optional().catch(undefined),
});

/** Where the parts to inspect are expected: a label and its places. */
export const guideInfoSchema = z.array(z.looseObject({ label: z.string(), posList: z.array(rectSchema) }));

export const sessionSchema = z.looseObject({
  id: z.string(),
  context: z.looseObject({ product_code: z.string().optional(), trace_id: z.string().optional() }),
});

/** Every field a call can carry, of both SDK generations; which of them are there is the dialect's matter. */
export const callDataSchema = z.looseObject({
  step_index: z.number().int(),
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
  session: sessionSchema.optional(),
  user_params: z.record(z.string(), z.unknown()).optional(),
  shared_mem_id: z.string().optional(),
  image_meta: imageMetaSchema.optional(),
});

/** `data`, `method` with `payload`, or (flat) the data's fields beside `type`. */
export const callSchema = z.looseObject({
  type: z.literal('call'),
  request_id: z.string(),
  timestamp_ms: informative.timestamp_ms,
  data: callDataSchema.optional(),
  method: z.enum(['pre_execute', 'execute']).optional(),
  payload: callDataSchema.optional(),
});

/** `status` says whether the call worked; what the algorithm decided is in `data`, see `resultDataSchema`. */
export const resultSchema = z.looseObject({
  type: z.literal('result'),
  request_id: z.string(),
  ...informative,
  status: z.enum(['OK', 'ERROR']),
  data: z.record(z.string(), z.unknown()).nullish(),
});

/**
 * The fields of a result's `data`. Adapters pass on what the algorithm returned without looking at it, so these
 * are checked one by one where the result is judged, and one bad field does not cost the others.
 */
export const resultDataSchema = z.looseObject({
  step_index: z.number().int().optional(),
  result_status: z.enum(['OK', 'NG']),
  ng_reason: z.string().min(1),
  defect_rects: z.array(rectSchema),
  position_rects: z.array(rectSchema),
  calibration_rects: z.array(rectSchema),
  debug: z.record(z.string(), z.unknown()),
});

export const pingSchema = z.looseObject({
  type: z.literal('ping'),
  request_id: z.string(),
  timestamp_ms: informative.timestamp_ms,
});

export const pongSchema = z.looseObject({
  type: z.literal('pong'),
  request_id: z.string(),
  timestamp_ms: informative.timestamp_ms,
  status: z.string().optional().catch(undefined),
});

/** A failure outside of a result. Without a request id it concerns the adapter as a whole (a failed import). */
export const errorSchema = z.looseObject({
  type: z.literal('error'),
  request_id: z.string().nullish(),
  ...informative,
  status: z.string().optional().catch(undefined),
  error_code: z
    .union([z.string(), z.number().transform(String)])
    .optional()
    .catch(undefined),
});

/** The runner's request to end; the adapter answers with the same type and a status, then exits. */
export const shutdownSchema = z.looseObject({
  type: z.literal('shutdown'),
  timestamp_ms: informative.timestamp_ms,
  status: z.string().optional().catch(undefined),
});

export type AdapterHello = z.infer<typeof adapterHelloSchema>;
export type RunnerHello = z.infer<typeof runnerHelloSchema>;
export type ImageMeta = z.infer<typeof imageMetaSchema>;
export type Rect = z.infer<typeof rectSchema>;
export type GuideInfo = z.infer<typeof guideInfoSchema>;
export type Session = z.infer<typeof sessionSchema>;
export type CallData = z.infer<typeof callDataSchema>;
export type CallMessage = z.infer<typeof callSchema>;
export type ResultMessage = z.infer<typeof resultSchema>;
export type PingMessage = z.infer<typeof pingSchema>;
export type PongMessage = z.infer<typeof pongSchema>;
export type ErrorMessage = z.infer<typeof errorSchema>;
export type ShutdownMessage = z.infer<typeof shutdownSchema>;

/** What goes to an adapter. */
export type RunnerMessage = RunnerHello | CallMessage | PingMessage | ShutdownMessage;

const adapterMessageSchema = z.discriminatedUnion('type', [
  adapterHelloSchema,
  resultSchema,
  pongSchema,
  errorSchema,
  shutdownSchema,
]);

/** What comes from an adapter. */
export type AdapterMessage = z.infer<typeof adapterMessageSchema>;

/** A message sorted: understood, of an unknown type, or of a known type with unusable fields. */
export type ParsedMessage =
  | { readonly kind: 'message'; readonly message: AdapterMessage }
  | { readonly kind: 'unknown'; readonly type: string; readonly error: BridgeError }
  | { readonly kind: 'invalid'; readonly requestId: string | undefined; readonly error: BridgeError };

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

/** Sorts one message from an adapter. Never throws; errors inside are RUNNER_PROTOCOL. */
export function parseAdapterMessage(value: JsonObject): ParsedMessage {
  const type = value['type'];
  if (!KNOWN_TYPES.has(type)) {
    const shown = typeof type === 'string' ? type.slice(0, 40) : typeof type;
    const error = new BridgeError(
      'RUNNER_PROTOCOL',
      `The algorithm adapter sent a message of the unknown type "${shown}"; it is ignored.`,
      { context: { unknownType: shown } },
    );
    return { kind: 'unknown', type: shown, error };
  }
  const parsed = adapterMessageSchema.safeParse(value);
  if (parsed.success) return { kind: 'message', message: parsed.data };
  const requestId = requestIdOf(value);
  const issues = describeIssues(parsed.error);
  const error = new BridgeError(
    'RUNNER_PROTOCOL',
    `The algorithm adapter sent an invalid ${type}: ${issues}`,
    { context: { type, issues, requestId } },
  );
  return { kind: 'invalid', requestId, error };
}
