export { DIALECTS, type Dialect, type ImageReference, type ResolvedDialect } from '../adapter/dialects.js';
export type { AlgorithmErrorCode } from '../adapter/error-codes.js';
export type { Rect } from '../adapter/messages.js';
export type { CallRequest, CallStats } from './calls.js';
export { checkAdapter } from './check.js';
export type { CheckPictures, CheckReport, CheckStep } from './check-report.js';
export { splitCommandLine } from './command-line.js';
export {
  DELIVERY_POLICIES,
  Delivery,
  type DeliveryOptions,
  type DeliveryPolicy,
  type DeliveryStats,
  type Releasable,
} from './delivery.js';
export { describeStray, type StrayCounts } from './ended-calls.js';
export { endLeftoverAdapters } from './leftovers.js';
export { LineSplitter, type LogLevel, type LogLine } from './log-lines.js';
export {
  type RunnerOptions,
  runnerOptionsSchema,
  type Timings,
  timingsSchema,
} from './options.js';
export { type PoolCallbacks, RunnerPool } from './pool.js';
export { type RestartFigures, RestartPolicy } from './restart-policy.js';
export {
  type CallResult,
  type FailedCall,
  failedCall,
  RESULT_FLAGS,
  type ResultFlag,
  readRects,
  type Verdict,
} from './result.js';
export { RESULT_ORDERS, ResultOrder, type ResultOrderPolicy } from './result-order.js';
export {
  type AdapterInfo,
  AlgorithmRunner,
  type RunnerCallbacks,
  type RunnerState,
  type RunnerStats,
} from './runner.js';
