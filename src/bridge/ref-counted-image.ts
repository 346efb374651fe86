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

/** Why no verdict about these images counts: another program removed a file of them. Undefined: they are all there. */
function goneOf(images: readonly RefCountedImage[], when: string): BridgeError | undefined {
  const gone = images.find((image) => !image.intact);
  if (gone === undefined) return undefined;
  const { id } = gone.reference;
  return new BridgeError(
    'SHM_FAILED',
    `The image file of ${id} was removed ${when}. Keep other programs out of the image directory.`,
    { context: { id } },
  );
}

/** Calls the algorithm, if the image files are there. Its verdict counts only if they existed until it came. */
export async function callWith(
  images: readonly RefCountedImage[],
  call: () => Promise<CallResult>,
): Promise<CallResult> {
  const before = goneOf(images, 'before the algorithm got it');
  if (before) return failedCall(images[0]!.reference.id, before, 0);
  const result = await call();
  if (result.outcome === 'failed') return result;
  const error = goneOf(images, 'while the algorithm worked, so its verdict does not count');
  return error ? failedCall(result.requestId, error, result.latencyMs, result.data) : result;
}
