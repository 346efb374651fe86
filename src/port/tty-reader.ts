import type { ConnectOpts, SocketConstructorOpts } from 'node:net';
import { ReadStream } from 'node:tty';

/** One read of a tty seldom brings more than 8 KiB. */
const READ_BUFFER = 64 * 1024;

/**
 * Has the event loop watch and read a tty's descriptor into one buffer that is used again and again: a chunk is
 * valid only during the call. Begins with `resume()`; ends in 'close', after 'end' or 'error' when the line broke.
 *
 * A slave is opened once more by its name, nonblocking, and put on the descriptor's number, which stays the
 * caller's to close. A master's descriptor is taken over and closed with the reader.
 */
export function readTty(fd: number, onBytes: (chunk: Uint8Array) => void): ReadStream {
  const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> = {
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BUFFER),
      callback: (length, buffer) => {
        onBytes(buffer.subarray(0, length));
        return true;
      },
    },
  };
  return new ReadStream(fd, options);
}
