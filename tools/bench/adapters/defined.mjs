/** The same with `openmv-bridge/algorithm`. */
import { defineAlgorithm } from '../../../dist/algorithm/index.js';

await defineAlgorithm({ execute: () => ({ resultStatus: 'OK' }) });
