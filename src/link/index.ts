/** The host's end of the line: its state machine, and the driver that binds it to a byte stream and a clock. */
export type { ByteStream, ByteStreamHandlers, LineKind } from './byte-stream.js';
export { HostLink } from './host-link.js';
export { LinkDriver, type LinkDriverHandlers } from './link-driver.js';
export type {
  HostLinkOptions,
  HostLinkSink,
  LinkOutcome,
  LinkRequest,
  LinkState,
  LinkStats,
  LossReason,
} from './link-types.js';
export { BACKEND_PIECE, type ByteRange, MAX_READ_FRAGMENTS } from './read-reply.js';
export { type LineTap, tapped } from './tap.js';
