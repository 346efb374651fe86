import { BridgeError } from '../../errors.js';

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
