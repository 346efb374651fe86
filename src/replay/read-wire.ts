/** The line of a recording, in whichever form it was written. */
import type { WireEntry } from './wire.js';
import { readWireLines } from './wire-lines.js';

/** FILE_FAILED: it cannot be read; OPTION_INVALID: it has no line in it. */
export function readWire(path: string): AsyncIterable<WireEntry> {
  return readWireLines(path);
}
