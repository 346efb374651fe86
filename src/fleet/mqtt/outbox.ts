/** What waits to be sent: bounded in number and size, with few messages unanswered at a time. Nothing here waits for anything. */

export interface Message {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly retain?: boolean;
  /** MQTT 5: returned to who asked. */
  readonly correlationData?: Uint8Array | undefined;
}

/** Sends a message; calls back once, when the broker has it or has refused it. */
export type Send = (message: Message, done: (taken: boolean) => void) => void;

export interface OutboxLimits {
  /** Of messages that wait: how many, and characters or bytes in all. */
  readonly messages: number;
  readonly bytes: number;
  /** Of those that are only worth sending now. */
  readonly urgent: number;
}

/** Five minutes of results at 30 frames/s. */
export const OUTBOX_LIMITS: OutboxLimits = { messages: 10_000, bytes: 8 * 2 ** 20, urgent: 32 };

export class Outbox {
  readonly #send: Send;
  readonly #lostMessage: (count: number) => Message;
  readonly #limits: OutboxLimits;
  readonly #waiting: Message[] = [];
  readonly #urgent: [message: Message, done: (taken: boolean) => void][] = [];
  #bytes = 0;
  #flying = 0;
  /** Messages that may be unanswered; 0: there is no connection. */
  #window = 0;
  #lost = 0;
  #untold = 0;
  #sent = 0;
  #whenEmpty: (() => void) | undefined;

  /** `lostMessage` makes what readers are told before the next message when `count` of them are missing. */
  constructor(send: Send, lostMessage: (count: number) => Message, limits = OUTBOX_LIMITS) {
    this.#send = send;
    this.#lostMessage = lostMessage;
    this.#limits = limits;
  }

  /** Messages that the broker has taken. */
  get sent(): number {
    return this.#sent;
  }

  /** Messages that did not fit, the oldest first, or that the broker refused. */
  get lost(): number {
    return this.#lost;
  }

  /** Messages that the broker has not taken yet. */
  get pending(): number {
    return this.#waiting.length + this.#flying;
  }

  /** Puts a message behind those that wait; the oldest ones give way. */
  push(message: Message): void {
    this.#waiting.push(message);
    this.#bytes += message.payload.length;
    while (this.#waiting.length > this.#limits.messages || this.#bytes > this.#limits.bytes) {
      this.#bytes -= this.#waiting.shift()!.payload.length;
      this.#lose();
    }
    this.#pump();
  }

  /** Sends a message before those that wait, or not at all: `done(false)`. */
  now(message: Message, done: (taken: boolean) => void = () => undefined): void {
    if (this.#window === 0 || this.#urgent.length >= this.#limits.urgent) return done(false);
    this.#urgent.push([message, done]);
    this.#pump();
  }

  /** There is a connection, on which `window` messages may be unanswered. */
  open(window: number): void {
    this.#window = window;
    this.#pump();
  }

  /** The connection is gone. What is unanswered stays with the client, which sends it again. */
  shut(): void {
    this.#window = 0;
    for (const [, done] of this.#urgent.splice(0)) done(false);
  }

  /** Resolves when the broker has everything. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenEmpty = resolve;
      this.#pump();
    });
  }

  #lose(): void {
    this.#lost++;
    this.#untold++;
  }

  #pump(): void {
    while (this.#flying < this.#window) {
      const urgent = this.#urgent.shift();
      if (urgent) {
        this.#fly(...urgent);
        continue;
      }
      if (this.#waiting.length === 0) break;
      const untold = this.#untold;
      if (untold > 0) {
        this.#untold = 0;
        this.#fly(this.#lostMessage(untold), () => undefined);
        continue;
      }
      const message = this.#waiting.shift()!;
      this.#bytes -= message.payload.length;
      this.#fly(message, (taken) => {
        if (taken) this.#sent++;
        else this.#lose();
      });
    }
    if (this.pending === 0 && this.#urgent.length === 0) this.#whenEmpty?.();
  }

  #fly(message: Message, done: (taken: boolean) => void): void {
    this.#flying++;
    this.#send(message, (taken) => {
      this.#flying--;
      done(taken);
      this.#pump();
    });
  }
}
