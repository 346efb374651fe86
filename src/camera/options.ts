export { type CameraInput, type CameraOptions, cameraOptionsSchema, parseOptions } from '../options/index.js';
