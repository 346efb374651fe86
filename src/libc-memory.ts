/** The C library's calls for shared memory: mapping, futexes, semaphores. Linux; each group is bound at its first use. */
import { constants } from 'node:os';
import { errnoName, LibcError, type Library, lazily, unsupported } from './libc.js';

/** A shared mapping of a file. */
export interface Mapping {
  /** The bytes. Touching them after `unmap()` kills the process. */
  readonly buffer: ArrayBuffer;
  /** Where the bytes are in this process, for calls that take an address. */
  readonly address: number;
  /** Idempotent. */
  unmap(): void;
}

interface Memory {
  /** Maps `length` bytes of `fd` from its start, shared with every other process that maps it. */
  map(fd: number, length: number, access: 'read' | 'write'): Mapping;
  /** Makes `fd` at least `length` bytes long with every page allocated; otherwise throws, for example ENOSPC. */
  allocate(fd: number, length: number): void;
  /**
   * Takes the exclusive lock of an open file without waiting; false when another process holds it. The kernel drops it
   * when the descriptor is closed or its process dies.
   */
  tryLock(fd: number): boolean;
}

// The same on every architecture that Linux and Node run on; fcntl's flags are not, and come from node:fs.
const [PROT_READ, PROT_WRITE, MAP_SHARED] = [1, 2, 1];
const LOCK_EXCLUSIVE_NO_WAIT = 2 | 4;
const INTERRUPTED_CALLS = 100;

/** `lazily`, and `UNSUPPORTED` where this is not Linux. */
function lazilyOnLinux<T>(bind: (library: Library) => T): () => T {
  const bound = lazily(bind);
  return () => {
    if (process.platform === 'linux') return bound();
    throw unsupported(
      `Shared memory is not available here: it needs Linux, and this is ${process.platform}.`,
    );
  };
}

/** Mapping, allocation and locks of files. Throws `UNSUPPORTED` where the system, koffi or the C library lacks them. */
export const memory = lazilyOnLinux(({ koffi, libc: c }): Memory => {
  // glibc has calls with a 64-bit offset under a name of their own; musl has no others, under the plain name.
  const declare = (result: string, name: string, parameters: string) => {
    try {
      return c.func(`${result} ${name}64(${parameters})`);
    } catch {
      return c.func(`${result} ${name}(${parameters})`);
    }
  };
  const mmap = declare('void *', 'mmap', 'void *, size_t, int, int, int, int64_t');
  const fallocate = declare('int', 'posix_fallocate', 'int, int64_t, int64_t');
  const munmap = c.func('int munmap(void *, size_t)');
  const flock = c.func('int flock(int, int)');
  // mmap's failure value is the highest address.
  const mapFailed = (1n << BigInt(8 * koffi.sizeof('void *'))) - 1n;
  return {
    map(fd, length, access) {
      const protection = access === 'write' ? PROT_READ | PROT_WRITE : PROT_READ;
      const address: bigint = mmap(null, length, protection, MAP_SHARED, fd, 0);
      if (address === mapFailed) throw new LibcError('mmap');
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
      const { EINTR } = constants.errno;
      // It answers with the error number itself, and a signal may interrupt it.
      let errno: number = EINTR;
      for (let call = 0; errno === EINTR && call < INTERRUPTED_CALLS; call++)
        errno = fallocate(fd, 0, length);
      if (errno !== 0) throw new LibcError('posix_fallocate', errnoName(errno));
    },
    tryLock(fd) {
      if (flock(fd, LOCK_EXCLUSIVE_NO_WAIT) === 0) return true;
      if (koffi.errno() === constants.errno.EAGAIN) return false;
      throw new LibcError('flock');
    },
  };
});

// --- Futexes: sleeping on a word of shared memory until another process raises it. A read-only mapping will do. ---

interface Futex {
  /** Wakes every process that waits on the word at `address`. */
  wake(address: number): void;
  /**
   * Blocks this thread while the word at `address` is `value`, for `timeoutMs` at most. `false`: the time is up.
   * `true`: it was woken, or the word differs; it may also be for no reason, so look at the word.
   */
  wait(address: number, value: number, timeoutMs: number): boolean;
}

/** Number of the system call, by `process.arch`; 64-bit machines only: others have another struct timespec. */
const SYSCALL: Readonly<Record<string, number>> = {
  x64: 202,
  arm64: 98,
  riscv64: 98,
  loong64: 98,
  ppc64: 221,
  s390x: 238,
};
const [FUTEX_WAIT, FUTEX_WAKE, EVERY_WAITER] = [0, 1, 0x7fffffff];
const NS_PER_MS = 1e6;
const MS_PER_S = 1_000;

/** `undefined` in it where the machine has none that we know: then readers look again and again. */
const futexes = lazily(({ koffi, libc: c }): { futex: Futex | undefined } => {
  const number = SYSCALL[process.arch];
  if (number === undefined) return { futex: undefined };
  const call = c.func('long syscall(long, uintptr_t, int, int, void *, uintptr_t, int)');
  return {
    futex: {
      wake: (address) => {
        call(number, address, FUTEX_WAKE, EVERY_WAITER, null, 0, 0);
      },
      wait(address, value, timeoutMs) {
        const whole = Math.floor(timeoutMs / MS_PER_S);
        const rest = Math.round((timeoutMs - whole * MS_PER_S) * NS_PER_MS);
        const timeout = new BigInt64Array([BigInt(whole), BigInt(rest)]);
        const woken = call(number, address, FUTEX_WAIT, value | 0, timeout, 0, 0) === 0;
        return woken || koffi.errno() !== constants.errno.ETIMEDOUT;
      },
    },
  };
});

/** Undefined where the machine has none that we know. */
export function futex(): Futex | undefined {
  return futexes().futex;
}

// --- Semaphores ---

interface Semaphores {
  /** Bytes of a `sem_t`. */
  readonly size: number;
  /** What stands before the name of a semaphore's file in /dev/shm: glibc puts `sem.` there, musl nothing. */
  readonly prefix: string;
  initialise(semaphore: number, value: number): void;
  tryWait(semaphore: number): boolean;
  post(semaphore: number): void;
  value(semaphore: number): number;
}

const SHARED = 1;

/**
 * Semaphores by their address. A named one is a file with a `sem_t` in it, mapped: `sem_open` does no more (glibc and
 * musl). Throws `UNSUPPORTED` as `memory` does.
 */
export const semaphores = lazilyOnLinux(({ koffi, libc: c }): Semaphores => {
  const init = c.func('int sem_init(uintptr_t, int, unsigned int)');
  const tryWait = c.func('int sem_trywait(uintptr_t)');
  const post = c.func('int sem_post(uintptr_t)');
  const getValue = c.func('int sem_getvalue(uintptr_t, void *)');
  let prefix = 'sem.';
  try {
    c.func('const char *gnu_get_libc_version()');
  } catch {
    prefix = '';
  }
  const word = new Int32Array(1);
  return {
    // In both libraries, on every architecture.
    size: 4 * koffi.sizeof('long'),
    prefix,
    initialise(semaphore, value) {
      if (init(semaphore, SHARED, value) !== 0) throw new LibcError('sem_init');
    },
    tryWait(semaphore) {
      for (;;) {
        if (tryWait(semaphore) === 0) return true;
        if (koffi.errno() !== constants.errno.EINTR) return false;
      }
    },
    post: (semaphore) => {
      post(semaphore);
    },
    value(semaphore) {
      getValue(semaphore, word);
      return word[0]!;
    },
  };
});
