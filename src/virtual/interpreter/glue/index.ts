/**
 * The Python half of the camera's firmware, by module name. Kept as text in TypeScript because only compiled
 * files are shipped; written into the interpreter's file system when it starts.
 */
import { BOARD_MODULE } from './board.js';
import { CSI_MODULE } from './csi.js';
import { IMAGE_MODULE } from './image.js';
import { MACHINE_MODULE } from './machine.js';
import { PROTOCOL_MODULE } from './protocol.js';

export const GLUE_MODULES: Readonly<Record<string, string>> = {
  _board: BOARD_MODULE,
  csi: CSI_MODULE,
  image: IMAGE_MODULE,
  machine: MACHINE_MODULE,
  protocol: PROTOCOL_MODULE,
};
