/**
 * The payloads of the OpenMV Protocol: TypeScript forms and their byte forms, all little-endian
 * (vendor: protocol/omv_protocol.h). Encoders return fresh arrays; decoders throw `CAMERA_PROTOCOL` when the
 * payload is shorter than its structure, and ignore what a later firmware may add behind it.
 */
export * from './capabilities.js';
export * from './channel-payloads.js';
export * from './device-info.js';
