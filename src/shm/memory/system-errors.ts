/** Errors of the operating system as `BridgeError`s that say what to do. */
import { statfsSync } from 'node:fs';
import { BridgeError } from '../../errors.js';

/** The name of the system error behind `error`: that of Node's `fs`, or the one a `BridgeError` of this room carries. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = error instanceof BridgeError ? error.context['errno'] : (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : undefined;
}

function mebibytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

export function isFull(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** `SHM_FULL`: how much was wanted, how much is there, and how to make room. */
export function fullError(what: string, directory: string, bytes: number, cause: unknown): BridgeError {
  const errno = systemCode(cause);
  const context: Record<string, unknown> = { directory, bytes, errno };
  let state = 'which is full';
  try {
    const space = statfsSync(directory);
    const total = space.blocks * space.bsize;
    const free = space.bavail * space.bsize;
    Object.assign(context, { freeBytes: free, totalBytes: total });
    const noFiles = space.files > 0 && space.ffree === 0;
    state = noFiles
      ? 'which may hold no more files'
      : `which has ${mebibytes(free)} free of ${mebibytes(total)}`;
  } catch {
    // The directory is gone: what is known is said.
  }
  if (errno === 'EDQUOT') state += ' (the quota of this user is used up)';
  const remedy = directory.startsWith('/dev/shm')
    ? 'Remove what is not needed there, ask for less, or enlarge it: ' +
      '`mount -o remount,size=512m /dev/shm`, in Docker `--shm-size=512m`.'
    : 'Remove what is not needed there, or choose another directory.';
  return new BridgeError(
    'SHM_FULL',
    `${what} needs ${mebibytes(bytes)} (${bytes} bytes) in ${directory}, ${state}. ${remedy}`,
    { context, cause },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'not permitted: it belongs to another user, or its mode forbids it',
  EPERM: 'not permitted',
  ENOENT: 'it does not exist',
  ELOOP: 'it is a symbolic link, which is never followed',
  EMFILE: 'too many files are open in this process (see `ulimit -n`)',
  ENFILE: 'too many files are open on this machine',
  ENOMEM: 'there is not enough memory or address space',
  EROFS: 'the file system is read-only',
};

/** `SHM_FAILED` for any other system error: `context.errno` has its name. */
export function segmentError(action: string, name: string, cause: unknown): BridgeError {
  if (cause instanceof BridgeError) return cause;
  const errno = systemCode(cause) ?? 'unknown';
  const reason = REASONS[errno] ?? (cause instanceof Error ? cause.message : String(cause));
  return new BridgeError('SHM_FAILED', `Cannot ${action} the shared memory ${name}: ${reason} (${errno}).`, {
    context: { name, errno },
    cause,
  });
}
