import type { BridgeError } from '../errors.js';

/** What a byte stream reports to the link driver. */
export interface ByteStreamHandlers {
  /** Bytes as they came, in any chunking. The chunk is valid only during the call. */
  data(chunk: Uint8Array): void;
  /** The stream is over; called exactly once. Without an error it was closed by our own `close()`. */
  closed(error?: BridgeError): void;
}

/**
 * What kind of line a stream is: settles whether acknowledgements are worth their price. USB and the virtual
 * camera's in-process line deliver every byte or break; a UART may lose some.
 */
export type LineKind = 'usb' | 'uart' | 'pty' | 'virtual';

/**
 * A full-duplex byte line to a camera, already open. Made by `src/port` (serial port, pty) and `src/virtual`
 * (in process); used by the link driver and nothing else.
 */
export interface ByteStream {
  /** What a person calls it: a device path, or `virtual`. */
  readonly name: string;
  readonly kind: LineKind;
  /** Begins delivery. Called once; bytes that came earlier are delivered first. */
  start(handlers: ByteStreamHandlers): void;
  /**
   * Sends bytes. They are valid only during the call: a stream that cannot send at once copies them. Never
   * throws; a failure ends in `closed(error)`.
   */
  write(bytes: Uint8Array): void;
  /** Closes the line and frees its handle. Idempotent; resolves when the handle is free, whatever the peer does. */
  close(): Promise<void>;
}
