/** Answers that go on: how many there may be, and their end when they take nothing or the server closes. */
import type { Socket } from 'node:net';
import { httpError } from './failures.js';

/** At a time, of all kinds: pictures, events, WebSockets. */
export const MAX_VIEWERS = 64;
/** How long a viewer may take no byte of what waits for it. */
export const STALLED_MS = 30_000;
const LOOKS = 4;

/** What is known of how far a viewer is behind. */
export interface Reader {
  readonly socket: Socket;
  /** Called once, when the viewer has gone or is ended. */
  gone(): void;
}

export class Viewers {
  readonly #open = new Set<Reader>();
  readonly #stalledMs: number;

  constructor(stalledMs = STALLED_MS) {
    this.#stalledMs = stalledMs;
  }

  get count(): number {
    return this.#open.size;
  }

  /** HTTP_BUSY: there are as many as may be. */
  check(): void {
    if (this.#open.size < MAX_VIEWERS) return;
    throw httpError(
      'HTTP_BUSY',
      `${MAX_VIEWERS} viewers are connected, which is the most there may be: close some of them.`,
    );
  }

  /** Counts a viewer until its socket closes; one that stalls is ended. */
  add(reader: Reader): void {
    const { socket } = reader;
    this.#open.add(reader);
    // The server's own limit is for connections without a request.
    socket.setTimeout(0);
    let taken = 0;
    let stuck = 0;
    const look = setInterval(() => {
      const now = socket.bytesWritten - socket.writableLength;
      stuck = socket.writableLength > 0 && now === taken ? stuck + 1 : 0;
      taken = now;
      if (stuck >= LOOKS) socket.destroy();
    }, this.#stalledMs / LOOKS);
    const end = (): void => {
      clearInterval(look);
      this.#open.delete(reader);
      reader.gone();
    };
    if (socket.destroyed) end();
    else socket.once('close', end);
  }
}
