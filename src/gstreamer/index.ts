export { findGstreamer } from './installed.js';
export type { GstFrame } from './matroska.js';
export { type GstHandlers, GstPipeline, pipelineWords } from './pipeline.js';
export { VIDEO_EXTENSIONS, VideoFile } from './video-file.js';
