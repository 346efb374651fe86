/** Every option, declared once. */
export {
  type AlgorithmInput,
  type AlgorithmOptions,
  algorithmOptionsSchema,
  MAX_WORKERS,
  supervisionSchema,
  supervisionShape,
} from './algorithm.js';
export { type BridgeInput, type BridgeOptions, bridgeOptionsSchema } from './bridge.js';
export { type CameraInput, type CameraOptions, cameraOptionsSchema, virtualShape } from './camera.js';
export {
  MAX_TIMER_MS,
  type OptionProblem,
  optionMetaSchema,
  optionProblems,
  parseOptions,
} from './schema.js';
