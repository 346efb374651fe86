/** One client of the control socket: its commands one after the other, its replies in their order. */
import type { Socket } from 'node:net';
import type { Reply } from './command.js';
import { type Message, MessageSplitter } from './message-splitter.js';
import { inputIsOver, netcatBehind } from './netcat.js';
import { type ControlService, failure } from './service.js';

/** Bytes of one message: a script of the largest size, escaped. */
const MESSAGE_LIMIT = 600 * 1_024;
/** Commands waiting their turn before no more are read. */
const QUEUE_LIMIT = 16;
/** Bytes of events waiting for a client to read them. */
const SEND_LIMIT = 1_024 * 1_024;
/** Between two signs of life to a client that has said all: socat gives a silent connection up after 500 ms. */
const SIGN_MS = 150;
/** Between two looks at the input of an nc. */
const LOOK_MS = 50;

export class Connection {
  readonly #socket: Socket;
  readonly #service: ControlService;
  readonly #splitter = new MessageSplitter(MESSAGE_LIMIT);
  readonly #queue: Message[] = [];
  readonly #gone = new Set<() => void>();
  #working = false;
  #ended = false;
  #subscribed = false;
  /** Looks whether the input of an nc is over; null: the client is none. */
  #looking: NodeJS.Timeout | null | undefined;

  constructor(socket: Socket, service: ControlService) {
    this.#socket = socket;
    this.#service = service;
    // ECONNRESET and EPIPE are a client's way to leave.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#take(this.#splitter.push(chunk)));
    socket.on('end', () => {
      this.#ended = true;
      const rest = this.#splitter.end();
      this.#take(rest ? [rest] : []);
    });
    socket.on('close', () => {
      if (this.#looking) clearInterval(this.#looking);
      for (const listener of this.#gone) listener();
      this.#gone.clear();
    });
  }

  /** Ends it, with what is still to be sent. */
  close(): void {
    this.#socket.destroySoon();
  }

  #take(messages: readonly Message[]): void {
    this.#queue.push(...messages);
    if (this.#queue.length > QUEUE_LIMIT) this.#socket.pause();
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let message = this.#queue.shift(); message; message = this.#queue.shift()) {
      await this.#send(await this.#answer(message));
      if (this.#queue.length <= QUEUE_LIMIT) this.#socket.resume();
    }
    this.#working = false;
    // The client has said all it wants to: whoever reads up to the end gets it now.
    if (this.#ended && !this.#subscribed) this.#socket.end();
    else if (this.#looking === undefined) this.#lookAtInput();
  }

  async #answer(message: Message): Promise<Reply> {
    if (!('text' in message)) return failure(`Invalid JSON: ${message.problem}`);
    const signs = setInterval(() => {
      // A blank before JSON means nothing.
      if (this.#ended && this.#socket.writable && this.#socket.writableLength === 0) this.#socket.write(' ');
    }, SIGN_MS);
    try {
      return await this.#service.answer(message.text, {
        send: (line) => this.#sendEvent(line),
        onGone: (listener) => {
          this.#subscribed = true;
          if (this.#socket.destroyed) listener();
          else this.#gone.add(listener);
        },
      });
    } finally {
      clearInterval(signs);
    }
  }

  /** Ends the connection of an nc that has no more input: it waits for that. */
  #lookAtInput(): void {
    const pid = netcatBehind(this.#socket);
    this.#looking = null;
    if (pid === undefined || this.#socket.destroyed) return;
    // What it has read it may not have sent yet: its input has been over for a while when it counts.
    let over = 0;
    let received = this.#socket.bytesRead;
    this.#looking = setInterval(() => {
      const idle = !this.#working && this.#socket.bytesRead === received && inputIsOver(pid);
      over = idle ? over + 1 : 0;
      received = this.#socket.bytesRead;
      if (over >= 2 && !this.#subscribed) this.#socket.end();
    }, LOOK_MS);
  }

  /** Waits while the client does not read its replies. */
  async #send(reply: Reply): Promise<void> {
    const socket = this.#socket;
    if (!socket.writable || socket.write(`${JSON.stringify(reply)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.once('drain', done);
      socket.once('close', done);
    });
  }

  #sendEvent(line: object): boolean {
    const socket = this.#socket;
    if (!socket.writable || socket.writableLength > SEND_LIMIT) return false;
    socket.write(`${JSON.stringify(line)}\n`);
    return true;
  }
}
