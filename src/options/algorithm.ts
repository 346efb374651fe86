/** Options of an algorithm: how it is started, what its calls say, and what becomes of its results. */
import { z } from 'zod';
import { callSettingsSchema, DIALECTS, MAX_RESULT_BYTES } from '../adapter/index.js';
import { group, milliseconds } from './schema.js';

/** Adapters at a time: each has a picture's file, of which a directory holds a limited number. */
export const MAX_WORKERS = 32;
/** Crashes that are remembered, each with its time. */
const MAX_CRASHES = 10_000;

const call = callSettingsSchema.shape;
const text = z.string().min(1);
const needs = 'runner';

/** When an adapter is taken for hung, is given up, or is killed. */
export const supervisionShape = group('Algorithm supervision', {
  heartbeatIntervalMs: milliseconds.default(5_000).meta({
    description: "between two pings of an idle adapter (the protocol's own figure)",
    unit: 'ms',
  }),
  heartbeatGraceMs: milliseconds.default(2_000).meta({
    description: "from a ping to its pong (the protocol's own figure)",
    unit: 'ms',
  }),
  heartbeatMisses: z.int().min(1).default(2).meta({
    description: "pings without an answer in a row that are taken for a hang (the protocol's own figure)",
  }),
  crashLimit: z.int().min(1).max(MAX_CRASHES).default(5).meta({
    flag: '--crash-limit N',
    description: 'crashes within a minute after which it is not started again',
    needs,
  }),
  crashWindowMs: milliseconds.default(60_000).meta({
    description: 'the time in which that many crashes end the attempts',
    unit: 'ms',
  }),
  backoffMinMs: milliseconds.default(100).meta({
    description: 'wait before the first restart; doubles with every crash',
    unit: 'ms',
  }),
  backoffMaxMs: milliseconds
    .default(5_000)
    .meta({ description: 'longest wait before a restart', unit: 'ms' }),
  stopMs: milliseconds.default(60_000).meta({
    flag: '--stop-timeout TIME',
    description: 'longest wait for calls under way when it is stopped; then they are cut short',
    unit: 'ms',
    needs,
  }),
  shutdownMs: milliseconds.default(10_000).meta({
    flag: '--shutdown-timeout TIME',
    description: 'from the shutdown message to SIGTERM',
    unit: 'ms',
    needs,
  }),
  killMs: milliseconds.default(3_000).meta({
    flag: '--kill-timeout TIME',
    description: 'from SIGTERM to SIGKILL when it is ended',
    unit: 'ms',
    needs,
  }),
});
export const supervisionSchema = z.strictObject(supervisionShape);

export const algorithmShape = {
  ...group('Algorithm', {
    runner: z
      .union([text, z.array(z.string()).min(1)])
      .optional()
      .meta({
        flag: '--runner COMMAND',
        description: 'the command that runs the algorithm, or give it behind --; nats: for workers elsewhere',
        common: true,
      }),
    workers: z.int().min(1).max(MAX_WORKERS).default(1).meta({
      flag: '--workers N',
      description: 'adapters that work at the same time',
      common: true,
      needs,
    }),
    delivery: z.enum(['latest', 'every']).default('latest').meta({
      flag: '--delivery POLICY',
      description: 'a busy algorithm skips to the newest frame, or the sensor waits for it',
      common: true,
      needs,
    }),
    results: z.enum(['ordered', 'unordered']).default('ordered').meta({
      flag: '--results ORDER',
      description: 'results of several workers in the order of their frames, or as they come',
      needs,
    }),
    callTimeoutMs: milliseconds.default(30_000).meta({
      flag: '--call-timeout TIME',
      description: 'longest call; then the adapter is restarted',
      unit: 'ms',
      common: true,
      needs,
    }),
    preTimeoutMs: milliseconds.default(10_000).meta({
      flag: '--pre-timeout TIME',
      description: "longest first call of a session, the protocol's pre_execute",
      unit: 'ms',
      needs,
    }),
    startupTimeoutMs: milliseconds.default(120_000).meta({
      flag: '--startup-timeout TIME',
      description: 'longest wait for the first answer of the adapter, which may load models for minutes',
      unit: 'ms',
      needs,
    }),
    preExecute: z.enum(['session', 'frame', 'never']).default('session').meta({
      flag: '--pre-execute WHEN',
      description: 'when an algorithm that has pre_execute gets such a call',
      needs,
    }),
    maxResultBytes: z
      .int()
      .min(1024)
      .max(64 * 1024 * 1024)
      .default(MAX_RESULT_BYTES)
      .meta({
        flag: '--max-result-size BYTES',
        description: 'largest result; a larger one fails its call',
        unit: 'bytes',
        needs,
      }),
    saveAnnotated: text.optional().meta({
      flag: '--save-annotated DIR',
      description: 'write every frame with a result, its verdict and rectangles drawn',
      common: true,
      needs,
    }),
    reference: text.optional().meta({
      flag: '--reference FILE',
      description:
        "the step's reference image: a file, or previous-ok for the last frame that was OK; default: the frame itself",
      needs,
    }),
    dialect: z.enum(DIALECTS).default('auto').meta({
      flag: '--dialect NAME',
      description: 'how calls are written; auto goes by the hello of the adapter',
      needs,
    }),
    runnerCwd: text.optional().meta({
      flag: '--algo-cwd DIR',
      description: "the algorithm's working directory, where its manifest.json is; default: this one",
      needs,
    }),
    entryPoint: text.optional().meta({
      flag: '--entry-point MODULE:CLASS',
      description: 'what the adapter loads (PROC_ENTRY_POINT)',
      needs,
    }),
    strictStdio: z.boolean().default(false).meta({
      flag: '--strict-stdio',
      description: 'SDK adapters fail a call that prints to stdout, at 20 ms a call (PROC_STRICT_STDIO)',
      negated: 'SDK adapters send stray prints to stderr (the default)',
      needs,
    }),
    algorithmLogLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info').meta({
      flag: '--algo-log-level LEVEL',
      description: 'least important line that the algorithm logs (PROC_LOG_LEVEL)',
      needs,
    }),
    imageDir: text.optional().meta({
      flag: '--image-dir DIR',
      description: 'image files for the algorithm; default: a private directory under /dev/shm',
    }),
  }),
  supervision: supervisionSchema.prefault({}),
  ...group('Algorithm calls', {
    pid: call.pid.meta({ flag: '--pid ID', description: 'product id of every call', needs }),
    stepIndex: call.stepIndex.meta({
      flag: '--step-index N',
      description: 'step of every call, counted from 1',
      needs,
    }),
    stepDesc: call.stepDesc.meta({
      flag: '--step-desc TEXT',
      description: 'description of the step',
      needs,
    }),
    guideInfo: call.guideInfo.meta({
      flag: '--guide-info JSON',
      description: 'where the parts are expected: JSON, or @FILE',
      unit: 'json',
      needs,
    }),
    userParams: call.userParams.meta({
      flag: '--user-params JSON',
      description: "the algorithm's own parameters: JSON, or @FILE",
      unit: 'json',
      needs,
    }),
    sessionId: text.optional().meta({
      flag: '--session-id ID',
      description: 'name of the session; default: a new UUID',
      needs,
    }),
    productCode: text.optional().meta({
      flag: '--product-code CODE',
      description: "product code in the session's context",
      needs,
    }),
    traceId: text.optional().meta({
      flag: '--trace-id ID',
      description: "trace id in the session's context; default: a new UUID",
      needs,
    }),
  }),
};

export const algorithmOptionsSchema = z.strictObject(algorithmShape);
/** Complete options, defaults filled in. */
export type AlgorithmOptions = z.infer<typeof algorithmOptionsSchema>;
/** What a caller writes. */
export type AlgorithmInput = z.input<typeof algorithmOptionsSchema>;
