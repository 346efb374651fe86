/** Measuring bridges at work: for `openmv-bridge bench`, and for the benchmarks in tools/bench. */
export type { Percentiles } from '../times.js';
export { type Measured, type MeasureOptions, measureBridges } from './measure.js';
export { measuredText } from './measured-text.js';
