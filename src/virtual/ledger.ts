/** The record of what a virtual camera captured: a line of JSON for each JPEG, in order. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { BridgeError } from '../errors.js';
import type { Capture } from './messages.js';

export class Ledger {
  readonly #path: string;
  #file: number | undefined;
  #failure: BridgeError | undefined;

  /** Opens the file for appending; FILE_FAILED when that cannot be done. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'a');
    } catch (cause) {
      throw this.#failed('opened', cause);
    }
  }

  /** Writes at once: whoever has received a frame finds it in the file. A failure ends the record. */
  add(capture: Capture): void {
    if (this.#file === undefined || this.#failure) return;
    try {
      writeSync(this.#file, `${JSON.stringify(capture)}\n`);
    } catch (cause) {
      this.#failure = this.#failed('written to', cause);
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
    return new BridgeError('FILE_FAILED', `The ledger ${this.#path} cannot be ${verb}: ${String(cause)}.`, {
      context: { path: this.#path },
      cause,
    });
  }
}
