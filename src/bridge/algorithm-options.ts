/** Options of an algorithm: how it is started, what its calls say, and what becomes of its results. */
import { z } from 'zod';
import { callSettingsSchema } from '../adapter/call-settings.js';
import {
  DELIVERY_POLICIES,
  DIALECTS,
  RESULT_ORDERS,
  type RunnerOptions,
  supervisionSchema,
} from '../runner/index.js';

/** The longest a Node timer runs. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Adapters at a time: each has a picture's file, of which a directory holds a limited number. */
export const MAX_WORKERS = 32;

const milliseconds = z.number().int().min(1).max(MAX_TIMER_MS);
const call = callSettingsSchema.shape;

export const algorithmOptionsShape = {
  /** Where image files for the algorithm go; default: a private directory under /dev/shm. */
  imageDir: z.string().min(1).optional(),
  /** The algorithm's adapter: "CMD ARGS", split as a shell splits, or the words. */
  runner: z.union([z.string().min(1), z.array(z.string()).min(1)]).optional(),
  /** Its working directory, where its manifest.json is; default: our own. */
  runnerCwd: z.string().min(1).optional(),
  /** "module:Class", for adapters that need it (PROC_ENTRY_POINT). */
  entryPoint: z.string().min(1).optional(),
  /** Whether an adapter of SDK 0.3 fails a call in which the algorithm printed to stdout (PROC_STRICT_STDIO). */
  strictStdio: z.boolean().default(true),
  /** The least important lines the algorithm logs, as far as it goes by PROC_LOG_LEVEL. */
  algorithmLogLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  dialect: z.enum(DIALECTS).default('auto'),
  /** How long one call may take before the adapter is restarted. */
  callTimeoutMs: milliseconds.default(30_000),
  /** The same for the first call of a session, `pre_execute`. */
  preTimeoutMs: milliseconds.default(10_000),
  /** How long an adapter may take to say hello. */
  startupTimeoutMs: milliseconds.default(10_000),
  /** When an adapter is taken for hung, is given up, or is killed: heartbeat, breaker, ends. */
  supervision: supervisionSchema.prefault({}),
  /** Adapters that work at the same time. */
  workers: z.number().int().min(1).max(MAX_WORKERS).default(1),
  /** A busy algorithm skips to the newest frame, or every frame is processed and the sensor waits. */
  delivery: z.enum(DELIVERY_POLICIES).default('latest'),
  /** Results of several workers in the order of their frames, or as they come. */
  results: z.enum(RESULT_ORDERS).default('ordered'),
  /** What every call says; see `callSettingsSchema`. */
  pid: call.pid,
  stepIndex: call.stepIndex,
  stepDesc: call.stepDesc,
  guideInfo: call.guideInfo,
  userParams: call.userParams,
  /** Name of the session; default: a new UUID. */
  sessionId: z.string().min(1).optional(),
  /** The session's context. */
  productCode: z.string().min(1).optional(),
  /** Default: a new UUID. */
  traceId: z.string().min(1).optional(),
  /**
   * The step's reference picture, `cur` of SDK 0.3: a file, or `previous-ok` for the last frame that was OK. Without
   * one, and before the first OK, the frame itself stands in for it.
   */
  reference: z.string().min(1).optional(),
  /** Directory that every frame with a result is written to, with its verdict and rectangles drawn. */
  saveAnnotated: z.string().min(1).optional(),
};

export const algorithmOptionsSchema = z.strictObject(algorithmOptionsShape);
/** Complete options, defaults filled in. */
export type AlgorithmOptions = z.infer<typeof algorithmOptionsSchema>;
/** What a caller writes. */
export type AlgorithmInput = z.input<typeof algorithmOptionsSchema>;

/** What every call of a run says besides its picture. */
export function callSettings(options: AlgorithmOptions): z.input<typeof callSettingsSchema> {
  const { pid, stepIndex, stepDesc, guideInfo, userParams, sessionId, productCode, traceId } = options;
  const session: z.input<typeof callSettingsSchema>['session'] = {
    ...(sessionId === undefined ? {} : { id: sessionId }),
    context: {
      ...(productCode === undefined ? {} : { product_code: productCode }),
      ...(traceId === undefined ? {} : { trace_id: traceId }),
    },
  };
  return { pid, stepIndex, stepDesc, guideInfo, userParams, session };
}

/** The same as the runner's own options. */
export function runnerOptions(
  options: AlgorithmOptions,
  command: string | readonly string[],
  imageDirectory: string,
  runnerVersion: string,
): RunnerOptions {
  return {
    command: typeof command === 'string' ? command : [...command],
    imageDirectory,
    runnerVersion,
    ...(options.runnerCwd === undefined ? {} : { cwd: options.runnerCwd }),
    ...(options.entryPoint === undefined ? {} : { entryPoint: options.entryPoint }),
    strictStdio: options.strictStdio,
    logLevel: options.algorithmLogLevel,
    dialect: options.dialect,
    settings: callSettings(options),
    timings: {
      callMs: options.callTimeoutMs,
      preMs: options.preTimeoutMs,
      startupMs: options.startupTimeoutMs,
      ...options.supervision,
    },
  };
}
