/**
 * Files of `/dev/shm` in the making: segments and semaphores. Each has a hidden name that tells which process makes it
 * (pid and start time) and that process's lock on it until it is whole and gets the name that others open. What stands
 * under such a name without either is a dead process's, and the next start of any writer clears it.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { liveness, thisOwner } from './owner.js';
import { type Mapping, posix } from './posix.js';
import { SHM_DIRECTORY } from './segment-name.js';

/** A file in the making: whole, mapped and locked, but under no name that anyone knows. */
export interface Unfinished {
  readonly path: string;
  /** Holds the lock. */
  readonly fd: number;
  readonly inode: number;
  readonly mapping: Mapping;
}

const UNFINISHED = /^\.openmv-bridge-new-(\d+)-(\d+)-[0-9a-f]{12}$/;
const OWNER_READ_WRITE = 0o600;
const CREATE_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Never through a symbolic link, never waiting for the other end of a named pipe. */
const SWEEP_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function unfinishedPath(): string {
  const { pid, startTime } = thisOwner();
  return join(SHM_DIRECTORY, `.openmv-bridge-new-${pid}-${startTime}-${randomBytes(6).toString('hex')}`);
}

function remove(path: string, fd: number): void {
  try {
    unlinkSync(path);
  } catch {
    // A sweep took it: it is gone either way.
  }
  closeSync(fd);
}

/**
 * Makes a file of `size` zeroed bytes, all of them allocated, and fills it in. Undefined when a sweep of another
 * process had it in hand: make another one. Throws what the calls throw, and leaves nothing then.
 */
export function makeUnfinished(
  size: number,
  mode: number,
  fill: (mapping: Mapping) => void,
): Unfinished | undefined {
  const path = unfinishedPath();
  const fd = openSync(path, CREATE_FLAGS, OWNER_READ_WRITE);
  let mapping: Mapping | undefined;
  try {
    // A sweep from where this process cannot be seen may be looking at it between the two calls.
    if (!posix().tryLock(fd)) {
      remove(path, fd);
      return undefined;
    }
    posix().allocate(fd, size);
    fchmodSync(fd, mode);
    mapping = posix().map(fd, size, 'write');
    fill(mapping);
    return { path, fd, inode: fstatSync(fd).ino, mapping };
  } catch (error) {
    mapping?.unmap();
    remove(path, fd);
    throw error;
  }
}

/** Takes away what did not get its name. */
export function discard({ path, fd, mapping }: Unfinished): void {
  mapping.unmap();
  remove(path, fd);
}

function sweepOne(path: string): void {
  const fd = openSync(path, SWEEP_FLAGS);
  try {
    const file = fstatSync(fd);
    const ours = file.isFile() && file.uid === process.geteuid?.();
    // With the lock in hand, what the name leads to is what was looked at: its maker does not touch it any more.
    if (ours && posix().tryLock(fd) && lstatSync(path).ino === file.ino) unlinkSync(path);
  } finally {
    closeSync(fd);
  }
}

/** Removes what processes of this user left that died between making a file and naming it; never anything else. */
export function sweepUnfinished(): void {
  for (const entry of readdirSync(SHM_DIRECTORY)) {
    const [, pid, startTime] = UNFINISHED.exec(entry) ?? [];
    if (pid === undefined) continue;
    // A process of another container has another's pid here, or none: there the lock alone tells.
    if (liveness({ pid: Number(pid), startTime: Number(startTime) }) === 'alive') continue;
    try {
      sweepOne(join(SHM_DIRECTORY, entry));
    } catch {
      // Another user's, or gone by now: not ours to clear.
    }
  }
}
