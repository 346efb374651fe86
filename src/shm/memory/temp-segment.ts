/**
 * Files of `/dev/shm` in the making: segments and semaphores. Each has a hidden name that no other program can guess and
 * that tells which process makes it (pid and start time), and that process's lock until it is whole and gets the name
 * that others open. What has such a name without either is a dead process's, and the next start of any writer removes it.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Mapping, memory } from '../../libc-memory.js';
import { liveness, thisOwner } from './owner.js';
import { type FileId, SHM_DIRECTORY } from './segment-layout.js';
import { systemCode } from './system-errors.js';

const TEMP_NAME = /^\.openmv-bridge-new-(\d+)-(\d+)-[0-9a-f]{12}$/;
const OWNER_READ_WRITE = 0o600;
/** A new file, never through a symbolic link. */
const CREATE_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Never through a symbolic link, never waiting for the other end of a named pipe. */
const SWEEP_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file in the making: whole, mapped and locked, but under no name that any reader knows. */
export class TempSegment {
  readonly mapping: Mapping;
  /** Holds the lock. */
  readonly fd: number;
  readonly file: FileId;
  readonly #path: string;

  private constructor(path: string, fd: number, mapping: Mapping) {
    this.#path = path;
    this.fd = fd;
    this.mapping = mapping;
    this.file = fstatSync(fd);
  }

  /**
   * Makes a file of `size` zeroed bytes, all of them allocated, and fills it in. Undefined when another process took it
   * for a dead one's at that moment: make another. Throws what the calls throw, and leaves nothing then.
   */
  static make(size: number, mode: number, fill: (mapping: Mapping) => void): TempSegment | undefined {
    const { pid, startTime } = thisOwner();
    const random = randomBytes(6).toString('hex');
    const path = join(SHM_DIRECTORY, `.openmv-bridge-new-${pid}-${startTime}-${random}`);
    const fd = openSync(path, CREATE_FLAGS, OWNER_READ_WRITE);
    let mapping: Mapping | undefined;
    try {
      // A sweep from a container that does not see this process may look at it between the two calls.
      if (memory().tryLock(fd)) {
        memory().allocate(fd, size);
        fchmodSync(fd, mode);
        mapping = memory().map(fd, size, 'write');
        fill(mapping);
        return new TempSegment(path, fd, mapping);
      }
    } catch (error) {
      mapping?.unmap();
      remove(path, fd);
      throw error;
    }
    remove(path, fd);
    return undefined;
  }

  /**
   * Gives it its name, in the place of whatever has it with `replace`; false when the name, or the file, went to another
   * process meanwhile: then it is gone. Throws what else goes wrong, and leaves nothing then.
   */
  name(path: string, replace: boolean): boolean {
    try {
      if (replace) renameSync(this.#path, path);
      else {
        linkSync(this.#path, path);
        unlinkSync(this.#path);
      }
      return true;
    } catch (error) {
      this.mapping.unmap();
      remove(this.#path, this.fd);
      const code = systemCode(error);
      if (code === 'EEXIST' || code === 'ENOENT') return false;
      throw error;
    }
  }
}

function remove(path: string, fd: number): void {
  try {
    unlinkSync(path);
  } catch {
    // A sweep took it: it is gone either way.
  }
  closeSync(fd);
}

function sweepOne(path: string): void {
  const fd = openSync(path, SWEEP_FLAGS);
  try {
    const file = fstatSync(fd);
    const ours = file.isFile() && file.uid === process.geteuid?.();
    // While we hold the lock, the name leads to what was looked at: its maker does not touch it any more.
    if (ours && memory().tryLock(fd) && lstatSync(path).ino === file.ino) unlinkSync(path);
  } finally {
    closeSync(fd);
  }
}

/** Removes what processes of this user left that died between making a file and naming it; never anything else. */
export function sweepTempSegments(): void {
  for (const entry of readdirSync(SHM_DIRECTORY)) {
    const [, pid, startTime] = TEMP_NAME.exec(entry) ?? [];
    if (pid === undefined) continue;
    // A process of another container has another's pid here, or none: there the lock alone tells.
    if (liveness({ pid: Number(pid), startTime: Number(startTime) }) === 'alive') continue;
    try {
      sweepOne(join(SHM_DIRECTORY, entry));
    } catch {
      // Another user's, or gone by now: not ours to remove.
    }
  }
}
