export { type BridgeInput, type BridgeOptions, bridgeOptionsSchema } from '../options/index.js';
