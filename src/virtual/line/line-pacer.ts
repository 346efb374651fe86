/** Lets bytes of one direction arrive late, or no faster than a rate; in order, and bounded. */

/** Bytes that may be on their way; what exceeds them is lost, as on a line without flow control. */
const MAX_UNDER_WAY = 4 * 1024 * 1024;

export class LinePacer {
  readonly #bytesPerMs: number;
  readonly #queue: {
    readonly bytes: Uint8Array;
    readonly at: number;
    readonly emit: (bytes: Uint8Array) => void;
  }[] = [];
  #underWay = 0;
  /** When the line is free for the next byte. */
  #freeAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `bytesPerSecond`: 0 for any number. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1_000;
  }

  /** Emits the bytes `lateMs` from now, or when what came before has been emitted; at once if nothing is in the way. */
  push(bytes: Uint8Array, lateMs: number, emit: (bytes: Uint8Array) => void): void {
    const now = performance.now();
    const begin = Math.max(now, this.#freeAt) + lateMs;
    this.#freeAt = begin + (this.#bytesPerMs > 0 ? bytes.length / this.#bytesPerMs : 0);
    if (this.#freeAt <= now && this.#queue.length === 0) {
      emit(bytes);
      return;
    }
    if (this.#underWay + bytes.length > MAX_UNDER_WAY) return;
    this.#queue.push({ bytes: bytes.slice(), at: this.#freeAt, emit });
    this.#underWay += bytes.length;
    this.#timer ??= setTimeout(() => this.#release(), this.#freeAt - now);
  }

  /** Forgets what is under way. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queue.length = 0;
    this.#underWay = 0;
    this.#freeAt = 0;
  }

  #release(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (let first = this.#queue[0]; first && first.at <= now; first = this.#queue[0]) {
      this.#queue.shift();
      this.#underWay -= first.bytes.length;
      first.emit(first.bytes);
    }
    const next = this.#queue[0];
    if (next && !this.#timer) this.#timer = setTimeout(() => this.#release(), Math.max(1, next.at - now));
  }
}
