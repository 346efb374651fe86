/**
 * The virtual camera, also the package's subpath `openmv-bridge/virtual`. The product loads this module only when a
 * virtual camera is asked for: MicroPython and its sensor cost nothing otherwise.
 */
export type { Capture } from './interpreter/messages.js';
export { type FaultKind, type FaultOptions, parseFaults } from './line/fault-options.js';
export type { FaultCounts, InjectedFaults } from './line/faults.js';
export { openPty, type PtyMaster } from './line/pty.js';
export { type PtyEnd, serveVirtualCamera } from './line/serve.js';
export { openVirtualCamera } from './open-virtual-camera.js';
export type { VirtualCameraInput } from './options.js';
export type { VirtualCamera } from './virtual-camera.js';
