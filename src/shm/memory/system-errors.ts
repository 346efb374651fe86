/** Errors of the operating system as `BridgeError`s that say what to do. */
import { statfsSync } from 'node:fs';
import { BridgeError } from '../../errors.js';

/** The name of the system error behind `error`: that of Node's `fs`, or the one a `BridgeError` of this room carries. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof BridgeError) {
    const code = error.context['errno'];
    return typeof code === 'string' ? code : undefined;
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

function mebibytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

interface Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly freeFiles: number;
}

function spaceOf(directory: string): Space | undefined {
  try {
    const found = statfsSync(directory);
    return {
      totalBytes: found.blocks * found.bsize,
      freeBytes: found.bavail * found.bsize,
      freeFiles: found.files === 0 ? Number.POSITIVE_INFINITY : found.ffree,
    };
  } catch {
    return undefined;
  }
}

/** `SHM_FULL`: how much was wanted, how much is there, and how to make room. */
export function fullError(what: string, directory: string, bytes: number, cause: unknown): BridgeError {
  const space = spaceOf(directory);
  const errno = systemCode(cause) ?? 'ENOSPC';
  const state =
    space === undefined
      ? 'which is full'
      : space.freeFiles === 0
        ? 'which may hold no more files'
        : `which has ${mebibytes(space.freeBytes)} free of ${mebibytes(space.totalBytes)}`;
  const quota = errno === 'EDQUOT' ? ' (the quota of this user is used up)' : '';
  const remedy = directory.startsWith('/dev/shm')
    ? 'Remove what is not needed there, ask for less, or enlarge it: ' +
      '`mount -o remount,size=512m /dev/shm`, in Docker `--shm-size=512m`.'
    : 'Remove what is not needed there, or choose another directory.';
  return new BridgeError(
    'SHM_FULL',
    `${what} needs ${mebibytes(bytes)} (${bytes} bytes) in ${directory}, ${state}${quota}. ${remedy}`,
    {
      context: { directory, bytes, errno, freeBytes: space?.freeBytes, totalBytes: space?.totalBytes },
      cause,
    },
  );
}

export function isFull(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
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
