/**
 * The file of an image under a hidden name that no other file has. The image gets its own name by a link, so it is whole as
 * soon as it has it. When an image is released, its file may be written again for a later one, which saves the system
 * most of its work; but only when no other program has the old image.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { constants as system } from 'node:os';
import { join } from 'node:path';
import { hasLibc, libc } from '../../libc.js';
import { systemCode } from '../memory/system-errors.js';

const CREATE_ATTEMPTS = 20;
/** A new file, never through a symbolic link. */
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/** Linux. A write lease is given only on a file that no other process has open or mapped. */
const F_SETSIG = 10;
const F_SETLEASE = 1_024;
const F_WRLCK = 1;
const F_UNLCK = 2;

let tells: boolean | undefined;

/** Whether this system tells who else has a file. */
export function tellsSharing(): boolean {
  tells ??= process.platform === 'linux' && hasLibc();
  return tells;
}

export class HiddenFile {
  readonly path: string;
  readonly #fd: number;
  #size = 0;
  #open = true;

  /** Throws the errors of `node:fs`. */
  constructor(directory: string, mode: number) {
    for (let attempt = 1; ; attempt++) {
      this.path = join(directory, `.${randomBytes(8).toString('hex')}`);
      try {
        this.#fd = openSync(this.path, CREATE_FLAGS, mode);
        return;
      } catch (error) {
        if (systemCode(error) !== 'EEXIST' || attempt >= CREATE_ATTEMPTS) throw error;
      }
    }
  }

  /** Replaces what is in it. Throws the errors of `node:fs`; what is in it then is of no use. */
  write(bytes: Uint8Array): void {
    // A nearly full file system takes a part first and refuses the rest.
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, done);
    }
    if (bytes.length < this.#size) ftruncateSync(this.#fd, bytes.length);
    this.#size = bytes.length;
  }

  /** Its descriptor is open: it can be written. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether it has no other name, opening or mapping. Only of an open one, and where `tellsSharing()`. */
  isUnshared(): boolean {
    if (fstatSync(this.#fd).nlink !== 1) return false;
    const { fcntl } = libc();
    // One who opens it while the lease stands makes the system send a signal, whose usual one would end this process.
    const signal = fcntl(this.#fd, F_SETSIG, 'int', system.signals.SIGURG);
    if (signal !== 0 || fcntl(this.#fd, F_SETLEASE, 'int', F_WRLCK) !== 0) return false;
    return fcntl(this.#fd, F_SETLEASE, 'int', F_UNLCK) === 0;
  }

  /** Lets go of the descriptor: it is not written again. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  /** Closes it and takes the hidden name away. Never throws: another program may have been first. */
  remove(): void {
    this.close();
    removeQuietly(this.path);
  }
}

export function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already, or the directory is: either way it is not there.
  }
}
