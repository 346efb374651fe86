/**
 * `openmv-bridge/protocol`: the OpenMV Protocol without any I/O. Packets, their CRCs, opcodes, structures, a decoder for
 * byte streams, and the host's state machine.
 */
export {
  type ByteRange,
  HostLink,
  type HostLinkOptions,
  type HostLinkSink,
  type LinkOutcome,
  type LinkRequest,
  type LinkState,
  type LinkStats,
  type LossReason,
  MAX_READ_FRAGMENTS,
} from './link/index.js';
export * from './protocol/index.js';
