/**
 * The OpenMV Protocol (version 1.0.2): packets, their CRCs, what is in them, and a decoder for byte streams. No I/O, no
 * clock.
 */
export * from './constants.js';
export { CrcEngine, type CrcParameters, headerCrc, payloadCrc } from './crc.js';
export { type DecoderStats, type PacketSink, StreamDecoder } from './decoder.js';
export * from './device-info.js';
export { FRAME_SIZES, type FrameSize, NAMED_FRAME_SIZES, PixelFormat } from './frame-sizes.js';
export type { PayloadSlot } from './incoming-payload.js';
export * from './packet.js';
export {
  CAPS_SIZE,
  type Capabilities,
  CHANNEL_ENTRY_SIZE,
  type ChannelEntry,
  decodeCaps,
  decodeChannelList,
  decodeHalfWord,
  decodeIoctlRequest,
  decodeIoRequest,
  decodeShape,
  decodeWord,
  encodeCaps,
  encodeChannelList,
  encodeHalfWord,
  encodeIoctlRequest,
  encodeIoRequest,
  encodeShape,
  encodeWord,
  IO_REQUEST_SIZE,
  IOCTL_REQUEST_SIZE,
  writeIoRequest,
} from './payloads.js';
