import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { type CallData, type CallMessage, guideInfoSchema, type ImageMeta } from './messages.js';

/** What every call says besides its image; the same for a whole run. */
export const callSettingsSchema = z.strictObject({
  /** Product id; algorithms of SDK 0.0.x refuse ids they do not list. */
  pid: z.string().default(''),
  /** Steps count from 1: an adapter reads 0 as "not given" and takes 1. */
  stepIndex: z.number().int().min(1).default(1),
  stepDesc: z.string().default(''),
  guideInfo: guideInfoSchema.default([]),
  userParams: z.record(z.string(), z.unknown()).default({}),
  session: z
    .looseObject({
      id: z.string().min(1).default(randomUUID),
      context: z
        .looseObject({ product_code: z.string().optional(), trace_id: z.string().default(randomUUID) })
        .prefault({}),
    })
    .prefault({}),
});
export type CallSettings = z.infer<typeof callSettingsSchema>;

/**
 * How a call is written. SDK 0.3 has one entry point and its own field names (`execute`), SDK 0.0.x two phases
 * (`phased`); `flat` puts the fields beside `type`, `method` is the form with method and payload.
 */
export const DIALECTS = ['auto', 'execute', 'phased', 'flat', 'method'] as const;
export type Dialect = (typeof DIALECTS)[number];

/** An image in a file of PROC_SHM_DIR. Pixels, Unix milliseconds. */
export interface ImageReference {
  /** The id the adapter finds the file by. */
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** When it was captured, where the camera tells; else when it was complete on the host. Unix milliseconds. */
  readonly timestampMs: number;
  readonly cameraId: string;
  /** What the camera's script attached to it; undefined: nothing. */
  readonly data?: unknown;
  /** Of the pixels that decoding gives; default RGB, as of a JPEG. */
  readonly colorSpace?: 'RGB' | 'BGR';
}

/** What a dialect came to once the adapter had said hello. */
export interface ResolvedDialect {
  readonly form: Exclude<Dialect, 'auto'>;
  /** The call's data carries the fields of both SDK generations. */
  readonly superset: boolean;
  /** The adapter knows `pre` calls; by default it gets one before its first `execute`. */
  readonly pre: boolean;
}

/**
 * Settles the dialect by the hello's capabilities: `execute` without `setup` is SDK 0.3, which knows no `pre`
 * and would run it as an inspection. Asked for by name, `phased` and `method` are taken at their word.
 */
export function resolveDialect(dialect: Dialect, capabilities: readonly string[]): ResolvedDialect {
  const executeOnly = capabilities.includes('execute') && !capabilities.includes('setup');
  switch (dialect) {
    case 'auto':
      return { form: executeOnly ? 'execute' : 'phased', superset: true, pre: !executeOnly };
    case 'execute':
      return { form: 'execute', superset: false, pre: false };
    case 'flat':
      return { form: 'flat', superset: true, pre: !executeOnly };
    case 'phased':
    case 'method':
      return { form: dialect, superset: false, pre: true };
  }
}

export type Phase = 'pre' | 'execute';

export interface CallParts {
  readonly requestId: string;
  /** Of the call; default: now. Unix milliseconds. */
  readonly timestampMs?: number;
  readonly phase: Phase;
  readonly settings: CallSettings;
  /** The camera's frame. */
  readonly image: ImageReference;
  /** The step's reference image; default: the frame. */
  readonly reference?: ImageReference | undefined;
}

function metaOf(image: ImageReference): ImageMeta {
  return {
    width: image.width,
    height: image.height,
    timestamp_ms: Math.round(image.timestampMs),
    camera_id: image.cameraId,
    color_space: image.colorSpace ?? 'RGB',
    ...(image.data === undefined ? {} : { data: image.data }),
  };
}

/** SDK 0.3: `cur` is the step's reference image and `guide` the camera's frame, by the SDK's own text. */
function executeFields({ settings, image, reference = image }: CallParts): CallData {
  return {
    step_index: settings.stepIndex,
    step_desc: settings.stepDesc,
    guide_info: settings.guideInfo,
    cur_image_shm_id: reference.id,
    cur_image_meta: metaOf(reference),
    guide_image_shm_id: image.id,
    guide_image_meta: metaOf(image),
  };
}

/** SDK 0.0.x, without the phase. */
function phasedFields({ settings, image }: CallParts): CallData {
  return {
    step_index: settings.stepIndex,
    pid: settings.pid,
    session: settings.session,
    user_params: settings.userParams,
    shared_mem_id: image.id,
    image_meta: metaOf(image),
  };
}

/** The call message for one image in the given dialect. */
export function buildCall(dialect: ResolvedDialect, parts: CallParts): CallMessage {
  const { requestId: request_id, timestampMs = Date.now() } = parts;
  const head = { type: 'call', request_id, timestamp_ms: timestampMs } as const;
  const execute = executeFields(parts);
  const phased = { phase: parts.phase, ...phasedFields(parts) };
  const both = { ...phased, ...execute };
  switch (dialect.form) {
    case 'execute':
      return { ...head, data: dialect.superset ? both : execute };
    case 'phased':
      return { ...head, data: dialect.superset ? both : phased };
    case 'flat':
      return { ...both, ...head };
    case 'method':
      return {
        ...head,
        method: parts.phase === 'pre' ? 'pre_execute' : 'execute',
        payload: phasedFields(parts),
      };
  }
}
