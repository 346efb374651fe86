/** The bytes of a camera's line as messages. What comes before the camera's name is known waits for it. */
import type { LineTap } from '../bridge/index.js';
import { type Message, wireMessage } from './messages.js';

/** The handshake of a connection has some hundred bytes; frames come when the name is known. */
const MAX_WAITING = 2 ** 20;

export class WireTap implements LineTap {
  #waiting: ((cameraId: string) => Message)[] | undefined = [];
  #size = 0;
  #connection = 0;
  #take: (message: Message) => void = () => undefined;
  #cameraId = '';

  /** Says whose line it is, and where the messages go. */
  named(cameraId: string, take: (message: Message) => void): void {
    this.#cameraId = cameraId;
    this.#take = take;
    for (const message of this.#waiting ?? []) take(message(cameraId));
    this.#waiting = undefined;
  }

  opened(): void {
    this.#connection++;
  }

  sent(bytes: Uint8Array, atMs: number): void {
    this.#bytes(false, bytes, atMs);
  }

  received(bytes: Uint8Array, atMs: number): void {
    this.#bytes(true, bytes, atMs);
  }

  closed(): void {
    // The event that tells it is recorded.
  }

  #bytes(fromCamera: boolean, bytes: Uint8Array, ms: number): void {
    const connection = this.#connection;
    if (!this.#waiting) {
      this.#take(wireMessage(this.#cameraId, ms, fromCamera, connection, bytes));
      return;
    }
    this.#size += bytes.length;
    if (this.#size > MAX_WAITING) return;
    // They are valid only during the call.
    const copy = bytes.slice();
    this.#waiting.push((cameraId) => wireMessage(cameraId, ms, fromCamera, connection, copy));
  }
}
