/** The image file of a frame, shared by the calls and the reference picture that need it. */
import { existsSync } from 'node:fs';
import { BridgeError } from '../errors.js';
import { type CallResult, failedCall, type ImageReference } from '../runner/index.js';
import type { ImageLease } from '../shm/index.js';

/** An image file with several holders; it is removed when the last one releases it. */
export class RefCountedImage {
  readonly reference: ImageReference;
  readonly #lease: ImageLease;
  #holders = 1;

  /** The maker is the first holder. */
  constructor(reference: ImageReference, lease: ImageLease) {
    this.reference = reference;
    this.#lease = lease;
  }

  /** Whether its file still exists. An adapter reads a missing file as a black picture, without an error. */
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

/** A verdict counts only if its image files existed until it came. */
export function distrust(result: CallResult, images: readonly RefCountedImage[]): CallResult {
  const gone = result.outcome === 'failed' ? undefined : images.find((image) => !image.intact);
  if (gone === undefined) return result;
  const { id } = gone.reference;
  const error = new BridgeError(
    'SHM_FAILED',
    `The image file of ${id} was removed while the algorithm worked, so its verdict does not count. Keep other programs out of the image directory.`,
    { context: { id, requestId: result.requestId } },
  );
  return failedCall(result.requestId, error, result.latencyMs, result.data);
}
