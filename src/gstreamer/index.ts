export { type GstFrame, type GstHandlers, GstPipeline, pipelineWords } from './pipeline.js';
