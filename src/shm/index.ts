export type { PixelFormat } from '../pixels.js';
export { type ArrayData, type ArrayForm, channelNames, type DType } from './arrays/array-layout.js';
export { type ArrayReader, type ArraySnapshot, openArrayReader } from './arrays/array-reader.js';
export {
  type ArrayOptions,
  type ArrayWriter,
  type ArrayWriterOptions,
  openArrayWriter,
} from './arrays/array-writer.js';
export { type DecodedStore, openDecodedArrays, openDecodedVizn } from './decoded-store.js';
export {
  type ImageFiles,
  type ImageFilesOptions,
  type ImageLease,
  imageFileName,
  openImageFiles,
} from './images/image-files.js';
export { findShmLeftovers, type ShmLeftover } from './leftovers.js';
export {
  decodeOwner,
  encodeOwner,
  findOwner,
  isAlive,
  liveness,
  OWNER_SIZE,
  type Owner,
  thisOwner,
} from './memory/owner.js';
export { type FollowOptions, openShm, type ShmReader, type WaitOptions, waitForShm } from './open-shm.js';
export type { InPlace, ShmFrame, ShmLayout, ShmState } from './reader.js';
export { openRingReader, type RingFrame, type RingReader, type RingState } from './ring/ring-reader.js';
export {
  openRingWriter,
  type RingInput,
  type RingWriter,
  type RingWriterOptions,
} from './ring/ring-writer.js';
export type { FrameStore, StoredFrame } from './store.js';
export { openViznReader, type ViznReader, type ViznState } from './vizn/vizn-reader.js';
export {
  openViznWriter,
  type ViznData,
  type ViznFrame,
  type ViznWriter,
  type ViznWriterOptions,
} from './vizn/vizn-writer.js';
