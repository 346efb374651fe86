/** From options to a camera that answers. */
import { FaultLog } from './line/fault-log.js';
import { JsonLinesFile } from './line/json-lines-file.js';
import { readOptions, type VirtualCameraInput } from './options.js';
import { findPictures } from './pictures/picture-files.js';
import { PictureSource } from './pictures/picture-source.js';
import { VirtualCamera } from './virtual-camera.js';

/**
 * Switches a virtual camera on; resolves when it answers. Ends in OPTION_INVALID, FILE_FAILED (script, pictures,
 * ledger, fault log) or INTERNAL.
 */
export async function openVirtualCamera(
  input: VirtualCameraInput | Readonly<Record<string, unknown>> = {},
): Promise<VirtualCamera> {
  const options = await readOptions(input);
  const files = options.images === undefined ? undefined : await findPictures(options.images);
  const { ledger, faultLog } = options;
  const records: { ledger: JsonLinesFile | undefined; faultLog: FaultLog | undefined } = {
    ledger: undefined,
    faultLog: undefined,
  };
  let camera: VirtualCamera | undefined;
  try {
    if (ledger !== undefined) records.ledger = new JsonLinesFile('ledger', ledger);
    if (faultLog !== undefined) records.faultLog = new FaultLog(faultLog, options, options.faults?.request);
    camera = new VirtualCamera(options, new PictureSource(files), records);
    await camera.ready;
    return camera;
  } catch (error) {
    await camera?.close();
    records.ledger?.close();
    records.faultLog?.close();
    throw error;
  }
}
