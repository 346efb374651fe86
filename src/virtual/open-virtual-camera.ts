/** From options to a camera that answers. */
import { abortable } from '../async.js';
import { FaultLog } from './line/fault-log.js';
import { JsonLinesFile } from './line/json-lines-file.js';
import { readOptions, type VirtualCameraInput } from './options.js';
import { findPictures } from './pictures/picture-files.js';
import { PictureSource } from './pictures/picture-source.js';
import { VirtualCamera } from './virtual-camera.js';

/**
 * Switches a virtual camera on; resolves when it answers. Ends in OPTION_INVALID, FILE_FAILED (script, pictures,
 * ledger, fault log), INTERNAL or, when aborted, `signal.reason`; then its thread and files are closed. `signal` counts
 * only until the camera is open: `close()` ends it.
 */
export async function openVirtualCamera(
  input: VirtualCameraInput | Readonly<Record<string, unknown>> = {},
  signal?: AbortSignal,
): Promise<VirtualCamera> {
  signal?.throwIfAborted();
  const options = await readOptions(input, signal);
  const files =
    options.images === undefined ? undefined : await abortable(findPictures(options.images), signal);
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
    await abortable(camera.ready, signal);
    return camera;
  } catch (error) {
    await camera?.close();
    records.ledger?.close();
    records.faultLog?.close();
    throw error;
  }
}
