/** The virtual camera: what other parts of the package use of it. */

export type { Capture } from './interpreter/messages.js';
export { type FaultKind, type FaultOptions, parseFaults } from './line/fault-options.js';
export type { FaultCounts, InjectedFaults } from './line/faults.js';
export { type PtyEnd, serveVirtualCamera } from './line/serve.js';
export { openVirtualCamera } from './open-virtual-camera.js';
export type { VirtualCameraInput } from './options.js';
export type { VirtualCamera } from './virtual-camera.js';
