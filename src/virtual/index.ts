/** The virtual camera: what other parts of the package use of it. */
export { type FaultKind, type FaultOptions, parseFaults } from './fault-options.js';
export type { FaultCounts, InjectedFaults } from './faults.js';
export type { Capture } from './messages.js';
export { openVirtualCamera } from './open-virtual-camera.js';
export type { VirtualCameraInput } from './options.js';
export { type PtyEnd, serveVirtualCamera } from './serve.js';
export type { VirtualCamera } from './virtual-camera.js';
