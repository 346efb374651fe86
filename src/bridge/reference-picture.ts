/** The step's reference picture, `cur` of SDK 0.3: an image file of its own that stays for as long as a call needs it. */
import type { ImageFiles } from '../shm/index.js';
import { RefCountedImage } from './ref-counted-image.js';

export interface ReferencePicture {
  /** For one call; the caller releases it. Undefined: there is none yet, or never. Throws as `ImageFiles.put` does. */
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
  const make = (): RefCountedImage => {
    // Several cameras may share a directory.
    const id = `reference-${process.pid}-${++made}`;
    const { width, height } = picture;
    return new RefCountedImage(
      { id, width, height, timestampMs: Date.now(), cameraId: 'reference' },
      images.put(id, picture.jpeg),
    );
  };
  let image = make();
  return {
    get: () => {
      if (!image.intact) {
        // Another program removed it.
        const gone = image;
        image = make();
        gone.release();
      }
      return image.hold();
    },
    accepted: () => undefined,
    close: () => image.release(),
  };
}

/** The newest frame that was found OK; its image file stays until a newer one takes its place. */
export function previousOkReference(): ReferencePicture {
  let newest: RefCountedImage | undefined;
  let of = 0;
  const drop = (): void => {
    newest?.release();
    newest = undefined;
  };
  return {
    get: () => {
      // Another program removed it: there is none until the next frame is OK.
      if (newest?.intact === false) drop();
      return newest?.hold();
    },
    accepted: (image, sequence) => {
      // Results of parallel workers may come in any order.
      if (sequence <= of) return;
      of = sequence;
      drop();
      newest = image.hold();
    },
    close: drop,
  };
}
