/**
 * The C library calls that Node lacks, through koffi: memory mapping, real allocation and advisory locks. Opening,
 * linking and removing go through `node:fs` on `/dev/shm/<name>`, which is all that `shm_open` does on Linux (glibc
 * and musl). Loaded on first use, so that a program without shared memory runs where koffi does not.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { BridgeError } from '../../errors.js';
import { errnoName } from './system-errors.js';

/** A shared mapping of a file. */
export interface Mapping {
  /** The bytes. Touching them after `unmap()` kills the process: whoever holds a mapping keeps it to himself. */
  readonly buffer: ArrayBuffer;
  /** Where the bytes are in this process, for calls that take an address. */
  readonly address: number;
  /** Idempotent. */
  unmap(): void;
}

export interface Posix {
  /** Maps `length` bytes of `fd` from its start, shared with every other process that maps it. */
  map(fd: number, length: number, access: 'read' | 'write'): Mapping;
  /** Makes `fd` at least `length` bytes long with every page allocated; otherwise throws, for example ENOSPC. */
  allocate(fd: number, length: number): void;
  /**
   * Takes the exclusive lock of an open file without waiting; false when someone else holds it. The kernel lets go of
   * it when the descriptor is closed or its process dies.
   */
  tryLock(fd: number): boolean;
}

/** A failed call: `code` is the name of its errno, as in the errors of `node:fs`. */
export class LibcError extends Error {
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`${call} failed with ${code}`);
    this.code = code;
  }
}

// The same on every architecture that Linux and Node run on; fcntl's flags are not, and come from node:fs.
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;
const ALLOCATE_ATTEMPTS = 100;

type Koffi = typeof import('koffi');

/** The C library that this process runs on. */
export interface Library {
  readonly koffi: Koffi;
  readonly libc: ReturnType<Koffi['load']>;
}

function unsupported(why: string, cause?: unknown): BridgeError {
  return new BridgeError(
    'UNSUPPORTED',
    `Shared memory is not available here: ${why}. Run without it (--no-shm): frames still reach subscribers.`,
    cause === undefined ? {} : { cause },
  );
}

function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw unsupported('the package koffi cannot be loaded (reinstall, with optional dependencies)', cause);
  }
}

function bind({ koffi, libc }: Library): Posix {
  // glibc has calls with a 64-bit offset under a name of their own; musl has no others, under the plain name.
  const declare = (result: string, name: string, parameters: string) => {
    try {
      return libc.func(`${result} ${name}64(${parameters})`);
    } catch {
      return libc.func(`${result} ${name}(${parameters})`);
    }
  };
  const mmap: (...args: [null, number, number, number, number, number]) => bigint = declare(
    'void *',
    'mmap',
    'void *address, size_t length, int protection, int flags, int fd, int64_t offset',
  );
  const fallocate: (fd: number, offset: number, length: number) => number = declare(
    'int',
    'posix_fallocate',
    'int fd, int64_t offset, int64_t length',
  );
  const munmap: (address: bigint, length: number) => number = libc.func(
    'int munmap(void *address, size_t length)',
  );
  const flock: (fd: number, operation: number) => number = libc.func('int flock(int fd, int operation)');
  // mmap's failure value is the highest address.
  const mapFailed = (1n << BigInt(8 * koffi.sizeof('void *'))) - 1n;
  const { EINTR, EAGAIN } = constants.errno;

  return {
    map(fd, length, access) {
      const protection = access === 'write' ? PROT_READ | PROT_WRITE : PROT_READ;
      const address = mmap(null, length, protection, MAP_SHARED, fd, 0);
      if (address === mapFailed) throw new LibcError('mmap', koffi.errno());
      let mapped = true;
      return {
        buffer: koffi.view(address, length),
        address: Number(address),
        unmap() {
          if (mapped) munmap(address, length);
          mapped = false;
        },
      };
    },
    allocate(fd, length) {
      // It answers with the error number itself, and a signal may interrupt it.
      let errno: number = EINTR;
      for (let attempt = 0; errno === EINTR && attempt < ALLOCATE_ATTEMPTS; attempt++) {
        errno = fallocate(fd, 0, length);
      }
      if (errno !== 0) throw new LibcError('posix_fallocate', errno);
    },
    tryLock(fd) {
      if (flock(fd, LOCK_EXCLUSIVE | LOCK_NO_WAIT) === 0) return true;
      const errno = koffi.errno();
      if (errno === EAGAIN) return false;
      throw new LibcError('flock', errno);
    },
  };
}

let loaded: Library | undefined;

/** The C library, loaded on first use. Throws `UNSUPPORTED` where this is not Linux or koffi does not load. */
export function library(): Library {
  if (loaded !== undefined) return loaded;
  if (process.platform !== 'linux') throw unsupported(`it needs Linux, and this is ${process.platform}`);
  const koffi = loadKoffi();
  loaded = { koffi, libc: koffi.load(null) };
  return loaded;
}

/** `bind` of the C library; throws `UNSUPPORTED` when it lacks a call. */
export function bindCalls<T>(bindAll: (library: Library) => T): T {
  const calls = library();
  try {
    return bindAll(calls);
  } catch (cause) {
    throw unsupported('the C library lacks a call that it needs', cause);
  }
}

let bound: Posix | undefined;

/** The calls, bound on first use. Throws `UNSUPPORTED` where the system, koffi or the C library lacks them. */
export function posix(): Posix {
  bound ??= bindCalls(bind);
  return bound;
}
