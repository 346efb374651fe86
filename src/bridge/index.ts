/** A bridge: a camera's frames into sinks and to subscribers, and one outcome for each. */

export type { LineTap } from '../link/index.js';
export { Algorithm, type AlgorithmHandlers } from './algorithm.js';
export { runnerOptions } from './algorithm-options.js';
export type { Bridge } from './bridge.js';
export type { BridgeSettings, StartOptions } from './bridge-life.js';
export type {
  AlgorithmStats,
  BridgeEvent,
  BridgeStats,
  BrokerKind,
  BrokerStats,
  FrameOutcome,
  FrameResult,
  Latency,
  SkipReason,
} from './events.js';
export { eventLine, frameLine, resultLine, startLine, statsLine } from './json-lines.js';
export { LINE_SCHEMA, type RunLines, runLines } from './line-forms.js';
export { createBridge, openBridge, openBridges } from './open-bridge.js';
export { openMemory, type RemoteCalls } from './open-sinks.js';
export { CAMERA_PLACEHOLDER } from './pipeline.js';
export type { AttachedSink, Sink, SinkKind, SinkStats } from './sink.js';
export { FrameSinks } from './sinks.js';
export type { State } from './states.js';
