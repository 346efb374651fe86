/** What killed programs of this user left in `/dev/shm`. Only looks; the next start of a bridge with the same names clears it. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { arrayLayout } from './arrays/array-layout.js';
import { isLeftoverDirectory } from './images/image-directory.js';
import { liveness } from './memory/owner.js';
import { type SegmentLayout, SHM_DIRECTORY } from './memory/segment-layout.js';
import { readOwner } from './memory/stale.js';
import { RING_LAYOUT } from './ring/ring-layout.js';
import { VIZN_LAYOUT } from './vizn/vizn-layout.js';

export interface ShmLeftover {
  readonly kind: 'segment' | 'ring' | 'array' | 'image files';
  readonly path: string;
}

const LAYOUTS: readonly (readonly [kind: 'segment' | 'ring' | 'array', layout: SegmentLayout])[] = [
  ['segment', VIZN_LAYOUT],
  ['ring', RING_LAYOUT],
  ['array', arrayLayout({ retire: () => undefined, abandoned: () => false })],
];
/** Never through a symbolic link, never waiting for the other end of a named pipe. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Segments and directories of image files whose owners are certainly dead. */
export function findShmLeftovers(): ShmLeftover[] {
  let names: string[] = [];
  try {
    names = readdirSync(SHM_DIRECTORY);
  } catch {
    // Not Linux: there are none.
  }
  return names.flatMap((name) => {
    const path = join(SHM_DIRECTORY, name);
    const kind = kindOf(path);
    return kind === undefined ? [] : { kind, path };
  });
}

function kindOf(path: string): ShmLeftover['kind'] | undefined {
  try {
    const found = lstatSync(path);
    if (found.uid !== process.geteuid?.()) return undefined;
    if (found.isDirectory()) return isLeftoverDirectory(path) ? 'image files' : undefined;
    return found.isFile() ? deadSegment(path) : undefined;
  } catch {
    // Gone meanwhile, or not to be read.
    return undefined;
  }
}

function deadSegment(path: string): ShmLeftover['kind'] | undefined {
  const fd = openSync(path, OPEN_FLAGS);
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    for (const [kind, layout] of LAYOUTS) {
      const owner = readOwner(fd, layout);
      if (owner !== undefined) return liveness(owner) === 'dead' ? kind : undefined;
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}
