/** What an algorithm's options come to for the runner. */
import type { z } from 'zod';
import type { callSettingsSchema } from '../adapter/index.js';
import type { AlgorithmOptions } from '../options/index.js';
import type { RunnerOptions } from '../runner/index.js';

export {
  type AlgorithmInput,
  type AlgorithmOptions,
  algorithmOptionsSchema,
  MAX_WORKERS,
} from '../options/index.js';

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
    preExecute: options.preExecute,
    maxResultBytes: options.maxResultBytes,
    // The frame is still the next one to be judged when the sensor waits for it.
    retry: options.delivery === 'every',
    settings: callSettings(options),
    timings: {
      callMs: options.callTimeoutMs,
      preMs: options.preTimeoutMs,
      startupMs: options.startupTimeoutMs,
      ...options.supervision,
    },
  };
}
