/** Frames, and where they come from. */

export { checkJpeg, type JpegCheck, type JpegHeader } from '../jpeg.js';
export { Frame, type FrameFields } from './frame.js';
export { scriptEnded } from './frame-channel.js';
export { unixTime } from './frame-ledger.js';
export { FramePuller } from './frame-puller.js';
export {
  disablePreview,
  enablePreview,
  hasPreview,
  PREVIEW_CHANNEL,
  type RawPreview,
} from './preview-channel.js';
export { type PreviewOptions, PreviewPuller } from './preview-puller.js';
export type { DropReason, PulledFrame, Source, SourceHandlers } from './source.js';
export { nextTrigger, sendTrigger } from './trigger.js';
