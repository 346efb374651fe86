/** Byte arrays by name, up to a number of bytes in all; the one that was not asked for longest goes first. */
export class ByteCache {
  readonly #limit: number;
  readonly #entries = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(name: string): Uint8Array | undefined {
    const found = this.#entries.get(name);
    if (found) {
      this.#entries.delete(name);
      this.#entries.set(name, found);
    }
    return found;
  }

  set(name: string, bytes: Uint8Array): void {
    this.#bytes += bytes.length - (this.#entries.get(name)?.length ?? 0);
    this.#entries.delete(name);
    this.#entries.set(name, bytes);
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.#limit) break;
      this.#entries.delete(oldest);
      this.#bytes -= old.length;
    }
  }
}
