export { findGstreamer } from './installed.js';
export type { GstFrame } from './matroska.js';
export { type GstHandlers, GstPipeline, pipelineWords } from './pipeline.js';
