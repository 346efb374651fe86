/** One connected camera. */
export {
  Camera,
  type CameraEvent,
  type CameraInfo,
  type ConnectInput,
  connectCamera,
  type LineSettings,
} from './camera.js';
export type { Channel } from './channel.js';
export type { CameraControls, TriggerRequest } from './controls.js';
export {
  type ControlSettings,
  type ControlValues,
  controlSettingsSchema,
  FRAME_SIZES,
  type PixelFormatName,
} from './controls-values.js';
export {
  changeMain,
  installation,
  type MainChange,
  type MainScript,
  refuseVirtual,
  removal,
} from './install.js';
export { mayCome, mayPass, ReconnectingCamera } from './reconnecting-camera.js';
export { resetAndLeave, resetCamera } from './reset.js';
export type { RunOptions } from './run-script.js';
export { MAX_SCRIPT_BYTES } from './script.js';
