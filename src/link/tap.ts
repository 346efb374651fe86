/** Sees what goes over a line, for recordings and for people who look for a fault. */
import type { BridgeError } from '../errors.js';
import type { ByteStream, LineKind } from './byte-stream.js';

/** What is told of each line that a camera is connected on, one after the other. Bytes are valid only during the call. */
export interface LineTap {
  /** A line was opened, and a camera answers on it. */
  opened(line: { readonly name: string; readonly kind: LineKind }): void;
  /** Before they leave. `atMs`: Unix milliseconds, the same for all that happens in one turn, between which nothing else runs. */
  sent(bytes: Uint8Array, atMs: number): void;
  /** Before they are acted upon. */
  received(bytes: Uint8Array, atMs: number): void;
  /** The line is over; an error: it broke. */
  closed(error?: BridgeError): void;
}

/** The same line, seen by `tap`. */
export function tapped(stream: ByteStream, tap: LineTap): ByteStream {
  let turn: number | undefined;
  const now = (): number => {
    if (turn === undefined) {
      turn = performance.timeOrigin + performance.now();
      queueMicrotask(() => (turn = undefined));
    }
    return turn;
  };
  return {
    name: stream.name,
    kind: stream.kind,
    start: (handlers) => {
      tap.opened(stream);
      stream.start({
        data: (chunk) => {
          tap.received(chunk, now());
          handlers.data(chunk);
        },
        closed: (error) => {
          tap.closed(error);
          handlers.closed(error);
        },
      });
    },
    write: (bytes) => {
      tap.sent(bytes, now());
      stream.write(bytes);
    },
    close: () => stream.close(),
  };
}
