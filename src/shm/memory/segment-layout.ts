/** Names of segments, and what segments of any layout have in common. */
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
