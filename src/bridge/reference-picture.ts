/** The step's reference picture, `cur` of SDK 0.3: an image file of its own that stays for as long as a call needs it. */
import type { ImageFiles } from '../shm/index.js';
import { RefCountedImage } from './ref-counted-image.js';

export interface ReferencePicture {
  /** For one call; the caller releases it. Undefined: there is none yet, or never. */
  get(): RefCountedImage | undefined;
  /** A frame was found OK. */
  accepted(image: RefCountedImage, sequence: number): void;
  close(): void;
}

export const noReference: ReferencePicture = {
  get: () => undefined,
  accepted: () => undefined,
  close: () => undefined,
};

let made = 0;

/** A picture that stays the same for the whole run. Ends in the errors of `ImageFiles.put`. */
export function fixedReference(
  images: ImageFiles,
  picture: { readonly jpeg: Uint8Array; readonly width: number; readonly height: number },
): ReferencePicture {
  // Several cameras may share a directory.
  const id = `reference-${process.pid}-${++made}`;
  const { width, height } = picture;
  const image = new RefCountedImage(
    { id, width, height, timestampMs: Date.now(), cameraId: 'reference' },
    images.put(id, picture.jpeg),
  );
  return { get: () => image.hold(), accepted: () => undefined, close: () => image.release() };
}

/** The newest frame that was found OK; its image file stays until a newer one takes its place. */
export function previousOkReference(): ReferencePicture {
  let newest: RefCountedImage | undefined;
  let of = 0;
  return {
    get: () => newest?.hold(),
    accepted: (image, sequence) => {
      // Results of parallel workers may come in any order.
      if (sequence <= of) return;
      of = sequence;
      newest?.release();
      newest = image.hold();
    },
    close: () => {
      newest?.release();
      newest = undefined;
    },
  };
}
