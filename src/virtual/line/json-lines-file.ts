/** A file that a line of JSON is appended to for each thing that happens, at once and in order. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { BridgeError } from '../../errors.js';

export class JsonLinesFile {
  readonly #what: string;
  readonly #path: string;
  #file: number | undefined;
  #failure: BridgeError | undefined;

  /** Opens the file for appending; FILE_FAILED when that cannot be done. `what` names it in errors: "ledger". */
  constructor(what: string, path: string) {
    this.#what = what;
    this.#path = path;
    try {
      this.#file = openSync(path, 'a');
    } catch (cause) {
      throw this.#failed('opened', cause);
    }
  }

  /**
   * Writes at once: the line is in the file before anything that follows from it can be seen. A failure ends the record;
   * the camera goes on, and a warning of the process says so.
   */
  add(value: object): void {
    if (this.#file === undefined || this.#failure) return;
    try {
      writeSync(this.#file, `${JSON.stringify(value)}\n`);
    } catch (cause) {
      this.#failure = this.#failed('written to', cause);
      process.emitWarning(`${this.#failure.message} The record ends here.`, { code: this.#failure.code });
    }
  }

  /** Idempotent. Throws FILE_FAILED when not everything could be recorded. */
  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    if (this.#failure) throw this.#failure;
  }

  #failed(verb: string, cause: unknown): BridgeError {
    return new BridgeError(
      'FILE_FAILED',
      `The ${this.#what} ${this.#path} cannot be ${verb}: ${String(cause)}.`,
      { context: { path: this.#path }, cause },
    );
  }
}
