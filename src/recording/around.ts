/** Keeps what is some seconds around moments: it is held until its moment comes, or is too long ago. */
import type { Message } from './messages.js';

/** What is held: more than that, and the oldest goes before its time. */
const MAX_HELD = 64 * 2 ** 20;

export class Around {
  readonly #ns: bigint;
  readonly #keep: (message: Message) => void;
  #held: Message[] = [];
  #bytes = 0;
  #until = -1n;

  /** `keep` takes what is around a moment, `ms` before and behind it. */
  constructor(ms: number, keep: (message: Message) => void) {
    this.#ns = BigInt(ms) * 1_000_000n;
    this.#keep = keep;
  }

  take(message: Message): void {
    if (message.logTime <= this.#until) {
      this.#keep(message);
      return;
    }
    this.#held.push(message);
    this.#bytes += message.data.length;
    let old = 0;
    for (const { logTime, data } of this.#held) {
      if (logTime >= message.logTime - this.#ns && this.#bytes <= MAX_HELD) break;
      this.#bytes -= data.length;
      old++;
    }
    if (old > 0) this.#held.splice(0, old);
  }

  /** This is such a moment. */
  moment(ns: bigint): void {
    const held = this.#held;
    this.#held = [];
    this.#bytes = 0;
    this.#until = ns + this.#ns;
    for (const message of held) if (message.logTime >= ns - this.#ns) this.#keep(message);
  }
}
