/**
 * Runs an algorithm as a child process and has images inspected by it: `openmv-bridge/runner`. An `AlgorithmRunner` is
 * one adapter, a `RunnerPool` several of one algorithm; `Delivery` and `ResultOrder` stand before and behind a pool.
 */
export {
  type AlgorithmErrorCode,
  DIALECTS,
  type Dialect,
  type ImageReference,
  type Rect,
  type ResolvedDialect,
} from '../adapter/index.js';
export type { CallPicture, CallRequest, CallStats } from './call.js';
export {
  type CheckHandlers,
  type CheckPictures,
  type CheckReport,
  type CheckStep,
  checkAdapter,
} from './check.js';
export {
  DELIVERY_POLICIES,
  Delivery,
  type DeliveryOptions,
  type DeliveryPolicy,
  type DeliveryStats,
  type Releasable,
} from './delivery.js';
export { endLeftoverAdapters, findLeftoverAdapters } from './leftovers.js';
export { LineSplitter, type LogLevel, type LogLine } from './log-lines.js';
export {
  type RunnerOptions,
  runnerOptionsSchema,
  splitCommandLine,
  type Timings,
  timingsSchema,
} from './options.js';
export { type CallPool, type PoolCallbacks, RunnerPool } from './pool.js';
export { describeStray, type StrayCounts } from './recent-calls.js';
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
  type RunnerStats,
} from './runner.js';
export type { RunnerState } from './state.js';
