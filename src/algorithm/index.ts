// Programs whose compiler takes no types by itself find those of Node through this one.
/// <reference types="node" preserve="true" />
/** For authors of algorithms: `import { defineAlgorithm } from 'openmv-bridge/algorithm'`. */
export { log } from './answer.js';
export { defineAlgorithm } from './define.js';
export {
  type AlgorithmDefinition,
  AlgorithmError,
  type Call,
  type Inspection,
  type Picture,
  type Pixels,
  type Preparation,
  type Rect,
} from './types.js';
