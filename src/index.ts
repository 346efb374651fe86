// Programs whose compiler takes no types by itself find those of Node through this one.
/// <reference types="node" preserve="true" />
/** The public interface of openmv-bridge. */
export {
  type AlgorithmStats,
  type Bridge,
  type BridgeEvent,
  type BridgeSettings,
  type BridgeStats,
  type BrokerKind,
  type BrokerStats,
  createBridge,
  type FrameOutcome,
  type FrameResult,
  type Latency,
  openBridge,
  openBridges,
  type SinkKind,
  type SinkStats,
  type SkipReason,
  type StartOptions,
  type State,
} from './bridge/index.js';
export {
  Camera,
  type CameraControls,
  type CameraEvent,
  type CameraInfo,
  type Channel,
  type ConnectInput,
  type ControlSettings,
  type ControlValues,
  connectCamera,
  type MainScript,
  type RunOptions,
} from './camera/index.js';
export { ControlServer } from './control/index.js';
export { BridgeError, ERROR_CODES, type ErrorCode } from './errors.js';
export {
  type BrokerHandlers,
  type CallServer,
  type CallServerHandlers,
  type FleetCamera,
  type FleetView,
  type MqttOptions,
  type MqttPublisher,
  type NatsPublishing,
  openCallServer,
  openFleetView,
  openMqtt,
  openNats,
  type RemoteCommand,
  type SubscribedFrame,
  type SubscribeOptions,
  sendRemoteCommand,
  subscribeFrames,
  type WorkerInput,
} from './fleet/index.js';
export { checkJpeg, type DropReason, type Frame, type JpegCheck, type JpegHeader } from './frames/index.js';
export type { LineTap, LinkStats } from './link/index.js';
export type {
  BridgeInput,
  BridgeOptions,
  BrokerInput,
  CameraInput,
  CameraOptions,
  NatsClientInput,
} from './options/index.js';
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
