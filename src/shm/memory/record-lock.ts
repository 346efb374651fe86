/**
 * Locks on byte ranges of a file that belong to an open file description (fcntl F_OFD_SETLK). The kernel drops them
 * when the last descriptor of it is closed or its process dies: what somebody holds is held by somebody alive, in
 * whatever container. They have nothing to do with `flock`.
 */
import { constants } from 'node:os';
import { bindCalls, LibcError, type Library } from './posix.js';

export interface RecordLocks {
  /** Takes the exclusive lock of `length` bytes at `start` without waiting; false when someone else holds it. */
  tryLock(fd: number, start: number, length: number): boolean;
  unlock(fd: number, start: number, length: number): void;
}

const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const F_UNLCK = 2;
/** struct flock with 64-bit offsets: short type, short whence, (4 bytes), i64 start, i64 length, i32 pid. */
const FLOCK_SIZE = 32;
const START = 8;
const LENGTH = 16;

function bind({ koffi, libc }: Library): RecordLocks {
  const fcntl: (fd: number, command: number, lock: Uint8Array) => number = libc.func(
    'int fcntl(int fd, int command, void *lock)',
  );
  const set = (fd: number, type: number, start: number, length: number): boolean => {
    const lock = new Uint8Array(FLOCK_SIZE);
    new Int16Array(lock.buffer, 0, 1)[0] = type;
    new BigInt64Array(lock.buffer, START, 1)[0] = BigInt(start);
    new BigInt64Array(lock.buffer, LENGTH, 1)[0] = BigInt(length);
    if (fcntl(fd, F_OFD_SETLK, lock) === 0) return true;
    const errno = koffi.errno();
    if (errno === constants.errno.EAGAIN || errno === constants.errno.EACCES) return false;
    throw new LibcError('fcntl', errno);
  };
  return {
    tryLock: (fd, start, length) => set(fd, F_WRLCK, start, length),
    unlock: (fd, start, length) => {
      set(fd, F_UNLCK, start, length);
    },
  };
}

let bound: RecordLocks | undefined;

/** Throws `UNSUPPORTED` where the system lacks them. */
export function recordLocks(): RecordLocks {
  bound ??= bindCalls(bind);
  return bound;
}
