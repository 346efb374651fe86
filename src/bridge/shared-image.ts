/** The image file of a call: who holds it, and whether what was said about it is to be believed. */
import { existsSync } from 'node:fs';
import { BridgeError } from '../errors.js';
import { type CallResult, failedCall, type ImageReference } from '../runner/index.js';
import type { ImageLease } from '../shm/index.js';

/** An image file that several hold; it goes when the last one lets go. */
export class SharedImage {
  readonly reference: ImageReference;
  readonly #lease: ImageLease;
  #holders = 1;

  /** Its first holder is whoever made it. */
  constructor(reference: ImageReference, lease: ImageLease) {
    this.reference = reference;
    this.#lease = lease;
  }

  /** Whether its file still stands. An adapter takes one that is gone for a black picture, without a word. */
  get intact(): boolean {
    return existsSync(this.#lease.path);
  }

  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    if (--this.#holders === 0) this.#lease.release();
  }
}

/** A verdict stands only if its pictures stood until it was there. */
export function distrust(result: CallResult, images: readonly SharedImage[]): CallResult {
  const gone = result.outcome === 'failed' ? undefined : images.find((image) => !image.intact);
  if (gone === undefined) return result;
  const { id } = gone.reference;
  const error = new BridgeError(
    'SHM_FAILED',
    `The image file of ${id} was removed while the algorithm worked: what it says is no verdict. Keep other programs out of the directory (--image-dir).`,
    { context: { id, requestId: result.requestId } },
  );
  return failedCall(result.requestId, error, result.latencyMs, result.data);
}
