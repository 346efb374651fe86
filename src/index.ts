// Programs whose compiler takes no types by itself find those of Node through this one.
/// <reference types="node" preserve="true" />
/** The public interface of openmv-bridge. */
export type { Bridge } from './bridge/bridge.js';
export type {
  AlgorithmStats,
  BridgeEvent,
  BridgeStats,
  FrameOutcome,
  FrameResult,
  SkipReason,
} from './bridge/events.js';
export { createBridge, openBridge } from './bridge/open-bridge.js';
export type { BridgeInput, BridgeOptions } from './bridge/options.js';
export { Camera, type CameraEvent, type CameraInfo, connectCamera } from './camera/camera.js';
export type { Channel } from './camera/channel.js';
export type { CameraControls } from './camera/controls.js';
export type { ControlSettings, ControlValues } from './camera/controls-values.js';
export type { CameraInput, CameraOptions } from './camera/options.js';
export { ControlServer } from './control/index.js';
export { BridgeError, ERROR_CODES, type ErrorCode } from './errors.js';
export type { Frame } from './frames/frame.js';
export { checkJpeg, type JpegCheck, type JpegHeader } from './frames/jpeg.js';
export type { DropReason } from './frames/source.js';
export type { LinkStats } from './link/index.js';
export { type Annotation, annotatePicture, annotationOf } from './pictures/index.js';
export { listCameras } from './port/index.js';
export type {
  Capabilities,
  ChannelEntry,
  DeviceStats,
  MemoryEntry,
  SystemInfo,
  VersionInfo,
} from './protocol/index.js';
export type {
  AlgorithmErrorCode,
  CallResult,
  CheckReport,
  FailedCall,
  LogLine,
  Rect,
  ResultFlag,
  Verdict,
} from './runner/index.js';
export {
  type ArrayData,
  type ArrayOptions,
  type ArrayReader,
  type ArraySnapshot,
  type ArrayWriter,
  type DType,
  type FollowOptions,
  type InPlace,
  openArrayReader,
  openArrayWriter,
  openRingReader,
  openRingWriter,
  openShm,
  openViznReader,
  openViznWriter,
  type RingFrame,
  type RingReader,
  type RingWriter,
  type ShmFrame,
  type ShmLayout,
  type ShmReader,
  type ShmState,
  type ViznReader,
  type ViznState,
  type ViznWriter,
  type WaitOptions,
  waitForShm,
} from './shm/index.js';
