/** The public interface of openmv-bridge. */
export type { Bridge } from './bridge/bridge.js';
export type { AlgorithmStats, BridgeEvent, BridgeStats, FrameResult } from './bridge/events.js';
export { openBridge } from './bridge/open-bridge.js';
export type { BridgeInput, BridgeOptions } from './bridge/options.js';
export { Camera, type CameraEvent, type CameraInfo, connectCamera } from './camera/camera.js';
export type { Channel } from './camera/channel.js';
export type { CameraInput, CameraOptions } from './camera/options.js';
export { BridgeError, ERROR_CODES, type ErrorCode } from './errors.js';
export type { Frame } from './frames/frame.js';
export type { DropReason } from './frames/frame-puller.js';
export { checkJpeg, type JpegCheck, type JpegHeader } from './frames/jpeg.js';
export type { LinkStats } from './link/link-types.js';
export { listCameras } from './port/index.js';
export type {
  Capabilities,
  ChannelEntry,
  DeviceStats,
  MemoryEntry,
  SystemInfo,
  VersionInfo,
} from './protocol/structures.js';
export type { CallResult, FailedCall, Rect, Verdict } from './runner/index.js';
export { openViznReader, type ViznReader, type ViznSnapshot, type ViznState } from './shm/index.js';
