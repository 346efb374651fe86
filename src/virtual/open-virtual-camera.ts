/** From options to a camera that answers. */
import { Ledger } from './ledger.js';
import { readOptions, type VirtualCameraInput } from './options.js';
import { findPictures } from './picture-files.js';
import { PictureSource } from './picture-source.js';
import { VirtualCamera } from './virtual-camera.js';

/**
 * Switches a virtual camera on; resolves when it answers. Ends in OPTION_INVALID, FILE_FAILED (script, pictures,
 * ledger) or INTERNAL.
 */
export async function openVirtualCamera(
  input: VirtualCameraInput | Readonly<Record<string, unknown>> = {},
): Promise<VirtualCamera> {
  const options = await readOptions(input);
  const files = options.images === undefined ? undefined : await findPictures(options.images);
  const ledger = options.ledger === undefined ? undefined : new Ledger(options.ledger);
  let camera: VirtualCamera | undefined;
  try {
    camera = new VirtualCamera(options, new PictureSource(files), ledger);
    await camera.ready;
    return camera;
  } catch (error) {
    await camera?.close();
    ledger?.close();
    throw error;
  }
}
