/** The line of a recording, in whichever form it was written. */
import { isMcap } from './mcap.js';
import type { WireEntry } from './wire.js';
import { readWireLines } from './wire-lines.js';
import { readWireMcap } from './wire-mcap.js';

/** FILE_FAILED: it cannot be read; OPTION_INVALID: it is something else. */
export async function* readWire(path: string): AsyncGenerator<WireEntry> {
  yield* (await isMcap(path)) ? readWireMcap(path) : readWireLines(path);
}
