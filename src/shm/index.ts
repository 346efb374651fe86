export {
  type ImageFiles,
  type ImageFilesOptions,
  type ImageLease,
  imageFileName,
  openImageFiles,
} from './image-files.js';
export { isAlive, liveness, type Owner } from './owner.js';
export type { FrameStore, StoredFrame } from './store.js';
export {
  VIZN_DEFAULT_NAME,
  VIZN_DEFAULT_SIZE,
  VIZN_FORMAT_MJPG,
  VIZN_HEADER_SIZE,
  VIZN_MAGIC,
  VIZN_OFFSET,
} from './vizn-layout.js';
export { openViznReader, type ViznReader, type ViznSnapshot, type ViznState } from './vizn-reader.js';
export { openViznWriter, type ViznFrame, type ViznWriter, type ViznWriterOptions } from './vizn-writer.js';
