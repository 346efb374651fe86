/** Every option, declared once. */
export {
  type AlgorithmInput,
  type AlgorithmOptions,
  algorithmOptionsSchema,
  MAX_WORKERS,
  supervisionSchema,
  supervisionShape,
} from './algorithm.js';
export { type BridgeOptions, bridgeOptionsSchema, cameraPart } from './bridge.js';
export {
  type BrokerInput,
  type BrokerOptions,
  brokersSchema,
  type NatsClientInput,
  type NatsClientOptions,
  natsClientSchema,
  natsClientShape,
} from './brokers.js';
export { type CameraOptions, cameraOptionsSchema, virtualShape } from './camera.js';
export type { BridgeInput, CameraInput } from './inputs.js';
export { expectRecording, recordingOf } from './recording.js';
export { type ConfigFile, configSchema, type RunOptions, runOptionsSchema } from './run.js';
export {
  MAX_TIMER_MS,
  milliseconds,
  type OptionProblem,
  optionMetaSchema,
  optionProblems,
  parseOptions,
} from './schema.js';
export { type OptionSpec, optionSpecs } from './specs.js';
