/** The board's pins as a script watches them: levels that come from outside, by the pin's name. */

export class Pins {
  /** Number of each watched pin in the interpreter: the latest object that has the name. */
  readonly #watched = new Map<string, number>();
  readonly #drive: (pin: number, level: number) => void;

  /** `drive` tells the interpreter. */
  constructor(drive: (pin: number, level: number) => void) {
    this.#drive = drive;
  }

  watch(name: string, pin: number): void {
    this.#watched.set(name, pin);
  }

  /** A pin, or each (`*`), has this level now. Without a script that watches it nothing happens. */
  set(name: string, level: 0 | 1): void {
    if (name === '*') for (const pin of this.#watched.values()) this.#drive(pin, level);
    const pin = this.#watched.get(name);
    if (pin !== undefined) this.#drive(pin, level);
  }
}
