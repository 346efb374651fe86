/** One client of the control socket: its commands one after the other, its replies in their order. */
import type { Socket } from 'node:net';
import type { Reply } from './command.js';
import { MESSAGE_BYTES, type Message, MessageReader } from './message-reader.js';
import { type ControlService, failure } from './service.js';

const MESSAGE_LIMITS = { bytes: MESSAGE_BYTES, depth: 64, tokens: 100_000 };
/** Commands waiting their turn before no more are read. */
const QUEUE_LIMIT = 16;
/** Bytes of events waiting for a client to read them. */
const SEND_LIMIT = 1_024 * 1_024;
/** Looks at a client in the time that it may take no byte. */
const LOOKS = 4;
/** How long a reply may still be on its way when the server is closed. */
const CLOSE_MS = 200;

/** When a client is dropped. */
export interface ClientLimits {
  /** Milliseconds without a command, unless it has subscribed. */
  readonly idleMs: number;
  /** Milliseconds in which it takes no byte of what waits for it. */
  readonly unreadMs: number;
}
export const CLIENT_LIMITS: ClientLimits = { idleMs: 600_000, unreadMs: 30_000 };

export class Connection {
  readonly #socket: Socket;
  readonly #service: ControlService;
  readonly #reader = new MessageReader(MESSAGE_LIMITS);
  readonly #queue: Message[] = [];
  readonly #gone = new Set<() => void>();
  #working = false;
  #ended = false;
  #subscribed = false;
  #lastCommand = performance.now();
  /** Bytes that the client has taken, and looks since that number has changed. */
  #taken = 0;
  #stuck = 0;

  constructor(socket: Socket, service: ControlService, limits: ClientLimits) {
    this.#socket = socket;
    this.#service = service;
    // ECONNRESET and EPIPE are a client's way to leave.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#take(this.#reader.push(chunk)));
    socket.on('end', () => {
      this.#ended = true;
      this.#take(this.#reader.end());
    });
    socket.on('close', () => {
      for (const listener of this.#gone) listener();
      this.#gone.clear();
    });
    const look = setInterval(() => this.#look(limits), Math.min(limits.unreadMs, limits.idleMs) / LOOKS);
    socket.on('close', () => clearInterval(look));
  }

  /** Ends it, with what the client takes at once of what is still to be sent. */
  close(): void {
    this.#socket.end(() => this.#socket.destroy());
    setTimeout(() => this.#socket.destroy(), CLOSE_MS).unref();
  }

  /** Ends a client that takes nothing of what waits for it, or says nothing. */
  #look({ idleMs }: ClientLimits): void {
    const socket = this.#socket;
    const taken = socket.bytesWritten - socket.writableLength;
    this.#stuck = socket.writableLength > 0 && taken === this.#taken ? this.#stuck + 1 : 0;
    this.#taken = taken;
    if (this.#stuck >= LOOKS) socket.destroy();
    const idle = !this.#working && !this.#subscribed && performance.now() - this.#lastCommand >= idleMs;
    if (idle && socket.writableLength === 0) this.close();
  }

  #take(messages: readonly Message[]): void {
    this.#queue.push(...messages);
    if (this.#queue.length > QUEUE_LIMIT) this.#socket.pause();
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let message = this.#queue.shift(); message; message = this.#queue.shift()) {
      this.#lastCommand = performance.now();
      await this.#send(await this.#answer(message));
      if (this.#queue.length <= QUEUE_LIMIT) this.#socket.resume();
    }
    this.#working = false;
    // The client has said all it wants to: one that reads up to the end gets it now.
    if (this.#ended && !this.#subscribed) this.#socket.end();
  }

  async #answer(message: Message): Promise<Reply> {
    if ('problem' in message) return failure(message.problem);
    return this.#service.answer(message.value, {
      send: (line) => this.#sendEvent(line),
      onGone: (listener) => {
        this.#subscribed = true;
        if (this.#socket.destroyed) listener();
        else this.#gone.add(listener);
      },
    });
  }

  /** Waits while the client does not read its replies. */
  async #send(reply: Reply): Promise<void> {
    const socket = this.#socket;
    if (!socket.writable || socket.write(`${JSON.stringify(reply)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.once('drain', done).once('close', done);
    });
  }

  #sendEvent(line: object): boolean {
    const socket = this.#socket;
    if (!socket.writable || socket.writableLength > SEND_LIMIT) return false;
    socket.write(`${JSON.stringify(line)}\n`);
    return true;
  }
}
