/**
 * The C library's calls that Node does not offer. The only module that loads the package koffi, at the first call, so
 * that programs which need none of it run without. Here: descriptors and terminals; `libc-memory.ts` has the others.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { BridgeError } from './errors.js';

type Koffi = typeof import('koffi');

export interface Library {
  readonly koffi: Koffi;
  readonly libc: ReturnType<Koffi['load']>;
}

let loaded: Library | undefined;

export function unsupported(why: string, cause?: unknown): BridgeError {
  return new BridgeError('UNSUPPORTED', why, cause === undefined ? {} : { cause });
}

function library(): Library {
  if (loaded) return loaded;
  if (process.platform === 'win32') {
    throw unsupported('Pseudo-terminals, tty controls and shared memory do not exist on Windows.');
  }
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    loaded = { koffi, libc: koffi.load(null) };
  } catch (cause) {
    throw unsupported(
      'The C library cannot be reached: the package koffi cannot be loaded here. Install again with optional ' +
        'dependencies, or do without shared memory and pseudo-terminals.',
      cause,
    );
  }
  return loaded;
}

/** Binds a group of calls at its first use. Throws `UNSUPPORTED` where the system, koffi or the C library lacks them. */
export function lazily<T>(bind: (library: Library) => T): () => T {
  let bound: T | undefined;
  return () => {
    if (bound !== undefined) return bound;
    const found = library();
    try {
      bound = bind(found);
    } catch (cause) {
      if (cause instanceof BridgeError) throw cause;
      throw unsupported(
        `The C library of this system (${process.platform}) lacks a call that is needed.`,
        cause,
      );
    }
    return bound;
  };
}

/** Whether the C library can be reached. */
export function hasLibc(): boolean {
  try {
    library();
    return true;
  } catch {
    return false;
  }
}

const ERROR_NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** `ENOSPC` for 28; `errno 12345` for a number this system has no name for. */
export function errnoName(errno: number): string {
  return ERROR_NAMES.get(errno) ?? `errno ${errno}`;
}

/** The symbolic name of the last failed call's error, such as `EIO`. */
export function lastError(): string {
  return errnoName(library().koffi.errno());
}

/** A failed call: `code` is the name of its errno, as in the errors of `node:fs`. */
export class LibcError extends Error {
  readonly code: string;

  constructor(call: string, code = lastError()) {
    super(`${call} failed with ${code}`);
    this.code = code;
  }
}

/** Linux and macOS. */
interface Libc {
  flock(fd: number, operation: number): number;
  ioctl(fd: number, request: number, type: 'uint8_t *' | 'int', argument: Uint8Array | number): number;
  fcntl(fd: number, command: number, type: 'int', argument: number): number;
  dup2(from: number, to: number): number;
  tcflush(fd: number, queue: number): number;
  tcgetattr(fd: number, termios: Uint8Array): number;
  tcsetattr(fd: number, when: number, termios: Uint8Array): number;
  cfmakeraw(termios: Uint8Array): void;
  posix_openpt(flags: number): number;
  grantpt(fd: number): number;
  unlockpt(fd: number): number;
  ptsname_r(fd: number, name: Uint8Array, size: number): number;
  poll: {
    (fds: Uint8Array, count: number, timeoutMs: number): number;
    async(
      fds: Uint8Array,
      count: number,
      timeoutMs: number,
      done: (error: unknown, ready: number) => void,
    ): void;
  };
}

/** The calls for descriptors and terminals. Throws `UNSUPPORTED` on Windows and where koffi cannot be loaded. */
export const libc = lazily(
  ({ libc: c }): Libc => ({
    flock: c.func('int flock(int, int)'),
    ioctl: c.func('int ioctl(int, unsigned long, ...)'),
    fcntl: c.func('int fcntl(int, int, ...)'),
    dup2: c.func('int dup2(int, int)'),
    tcflush: c.func('int tcflush(int, int)'),
    tcgetattr: c.func('int tcgetattr(int, _Out_ uint8_t *)'),
    tcsetattr: c.func('int tcsetattr(int, int, uint8_t *)'),
    cfmakeraw: c.func('void cfmakeraw(_Inout_ uint8_t *)'),
    posix_openpt: c.func('int posix_openpt(int)'),
    grantpt: c.func('int grantpt(int)'),
    unlockpt: c.func('int unlockpt(int)'),
    ptsname_r: c.func('int ptsname_r(int, _Out_ uint8_t *, size_t)'),
    poll: c.func('int poll(_Inout_ uint8_t *, unsigned long, int)'),
  }),
);

const POLLIN = 1;
const POLLOUT = 4;
const POLLERR = 8;
const POLLHUP = 16;
const POLLNVAL = 32;

/** What `poll(2)` says of one descriptor. */
export interface Readiness {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly hungUp: boolean;
}

/** One descriptor's `struct pollfd`: an `int` and two `short`s. Not to be shared by calls under way. */
export class PollEntry {
  readonly #bytes = Buffer.alloc(8);

  constructor(fd: number) {
    this.#bytes.writeInt32LE(fd, 0);
  }

  #arm(events: number): void {
    this.#bytes.writeInt16LE(events, 4);
    this.#bytes.writeInt16LE(0, 6);
  }

  #readiness(): Readiness {
    const found = this.#bytes.readInt16LE(6);
    return {
      readable: (found & POLLIN) !== 0,
      // A descriptor in error counts as writable: the write that follows says what is wrong.
      writable: (found & (POLLOUT | POLLERR | POLLNVAL)) !== 0,
      hungUp: (found & POLLHUP) !== 0,
    };
  }

  /** How the descriptor stands now. */
  now(): Readiness {
    this.#arm(POLLIN);
    libc().poll(this.#bytes, 1, 0);
    return this.#readiness();
  }

  /** Waits on a pool thread until the descriptor takes bytes or has failed, at most `timeoutMs`. */
  writable(timeoutMs: number): Promise<boolean> {
    this.#arm(POLLOUT);
    return new Promise((resolve) => {
      libc().poll.async(this.#bytes, 1, timeoutMs, () => resolve(this.#readiness().writable));
    });
  }
}

const exitCalls = lazily(({ libc }) => libc.func('void _exit(int status)') as (status: number) => void);

/**
 * Ends the process without waiting for its threads, as Node does: one that writes to a disk that does not answer would
 * hold it for ever. Without the C library it is ended by SIGKILL.
 */
export function exitNow(status: number): void {
  try {
    exitCalls()(status);
  } catch {
    process.kill(process.pid, 'SIGKILL');
  }
}
