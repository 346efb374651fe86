/** Where the bytes of the device's replies come from. */
import type { DeviceChannel } from './device-types.js';

/** A `read()` backend is asked for pieces of at most this many bytes. */
const READ_PIECE = 512;
/** What lies behind a channel's buffer in the device's memory, as far as a host can tell: bytes not its own. */
const FOREIGN_BYTE = 0xa5;

/** What a reply is taken from: one buffer, or a backend that is asked piece by piece. */
export interface ReplySource {
  /** Bytes left to send. */
  remaining: number;
  /** The vendor's loop over a `read()` backend does not notice a reset of the session: it sends the next piece. */
  readonly outlivesReset?: boolean;
  /** The next piece, at most `limit` bytes; undefined ends the reply with NAK FAILED. */
  next(limit: number): Uint8Array | undefined;
}

/** One buffer. */
export function once(bytes: Uint8Array): ReplySource {
  let at = 0;
  return {
    remaining: bytes.length,
    next(limit) {
      const piece = bytes.subarray(at, at + limit);
      at += piece.length;
      this.remaining = bytes.length - at;
      return piece;
    },
  };
}

/** The device sends `length` bytes from the buffer's address, whatever the buffer's own length is. */
export function exactly(buffer: Uint8Array, length: number): Uint8Array {
  if (buffer.length >= length) return buffer.subarray(0, length);
  const bytes = new Uint8Array(length).fill(FOREIGN_BYTE);
  bytes.set(buffer);
  return bytes;
}

/** A `read()` backend gives what it likes; the reply goes on until all of `length` has been given. */
export function piecewise(channel: DeviceChannel, start: number, length: number): ReplySource {
  let offset = start;
  return {
    remaining: length,
    outlivesReset: true,
    next(limit) {
      const wanted = Math.min(this.remaining, READ_PIECE, limit);
      const piece = channel.read?.(offset, wanted)?.subarray(0, wanted);
      if (!piece || piece.length === 0) return undefined;
      offset += piece.length;
      this.remaining -= piece.length;
      return piece;
    },
  };
}
