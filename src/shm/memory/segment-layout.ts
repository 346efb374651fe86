/** Names of segments, which file a name leads to, and what segments of any layout have in common. */
import { lstatSync } from 'node:fs';
import { BridgeError } from '../../errors.js';

/** What those who make, replace and read a segment need to know of the layout in it. */
export interface SegmentLayout {
  /** The first word of the header, in host byte order. */
  readonly magic: number;
  /** Bytes. */
  readonly headerSize: number;
  /** Where the header has room for an owner record (24 bytes); a multiple of 8. */
  readonly ownerOffset: number;
  /** Brings a dead owner's segment into a state that its readers can leave, when it died in the middle of a write. */
  readonly retire?: (fd: number) => void;
  /** Whether one without an owner record, another program's, may be taken over. Default: never. */
  readonly abandoned?: (fd: number) => boolean;
  /** Where, in a segment of that size, the word is that readers wait on; a multiple of 4. */
  readonly wakeOffset: (size: number) => number;
}

/** Bounds what a wrong option, or another program's file, can make us map. */
export const MAX_SEGMENT_SIZE = 2 ** 30;

/** Where Linux keeps POSIX shared memory: `shm_open("/name")` opens `/dev/shm/name`. */
export const SHM_DIRECTORY = '/dev/shm';
const MAX_NAME_BYTES = 255;

/**
 * A segment's name in its one form, `/name`; the leading slash may be left out. Throws `OPTION_INVALID` for what
 * `shm_open` would not take.
 */
export function segmentName(name: string): string {
  const bare = name.startsWith('/') ? name.slice(1) : name;
  const wrong =
    bare === '' || bare === '.' || bare === '..'
      ? 'has no name in it'
      : bare.includes('/')
        ? 'has a slash inside; only one at the start is allowed'
        : bare.includes('\0')
          ? 'has a NUL character in it'
          : Buffer.byteLength(bare) > MAX_NAME_BYTES
            ? `is longer than ${MAX_NAME_BYTES} bytes`
            : undefined;
  if (wrong === undefined) return `/${bare}`;
  const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
  throw new BridgeError(
    'OPTION_INVALID',
    `The shared memory name ${shown} ${wrong}. Use one like /openmv_frame.`,
    { context: { name } },
  );
}

export function segmentPath(name: string): string {
  return SHM_DIRECTORY + name;
}

/** What tells one file from another, for as long as it is open or mapped. */
export interface FileId {
  readonly dev: number;
  readonly ino: number;
}

/** Whether a name still leads to that file: other programs may remove it, and give it to something else. */
export function leadsTo(path: string, { dev, ino }: FileId): boolean {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.ino === ino && found.dev === dev;
  } catch {
    // It cannot be looked at: nothing says that it was taken away.
    return true;
  }
}

/** `SHM_FAILED`: `path`, which other programs know a segment or a semaphore by, does not lead to `file` any more. */
export function lostName(name: string, path: string, file: FileId): BridgeError | undefined {
  if (leadsTo(path, file)) return undefined;
  return new BridgeError('SHM_FAILED', `Another program removed ${path} while it was in use here.`, {
    context: { name, path },
  });
}
