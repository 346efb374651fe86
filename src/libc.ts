import { constants } from 'node:os';
import koffi from 'koffi';
import { BridgeError } from './errors.js';

/** The C library's calls that the room needs and Node does not offer. Linux and macOS. */
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

let loaded: Libc | undefined;

/**
 * The C library, bound at first use.
 *
 * Throws `UNSUPPORTED` on Windows and where the native binding cannot be loaded.
 */
export function libc(): Libc {
  if (loaded) return loaded;
  if (process.platform === 'win32') {
    throw new BridgeError('UNSUPPORTED', 'Pseudo-terminals and tty controls do not exist on Windows.');
  }
  try {
    const library = koffi.load(null);
    loaded = {
      flock: library.func('int flock(int, int)'),
      ioctl: library.func('int ioctl(int, unsigned long, ...)'),
      fcntl: library.func('int fcntl(int, int, ...)'),
      dup2: library.func('int dup2(int, int)'),
      tcflush: library.func('int tcflush(int, int)'),
      tcgetattr: library.func('int tcgetattr(int, _Out_ uint8_t *)'),
      tcsetattr: library.func('int tcsetattr(int, int, uint8_t *)'),
      cfmakeraw: library.func('void cfmakeraw(_Inout_ uint8_t *)'),
      posix_openpt: library.func('int posix_openpt(int)'),
      grantpt: library.func('int grantpt(int)'),
      unlockpt: library.func('int unlockpt(int)'),
      ptsname_r: library.func('int ptsname_r(int, _Out_ uint8_t *, size_t)'),
      poll: library.func('int poll(_Inout_ uint8_t *, unsigned long, int)'),
    };
  } catch (cause) {
    throw new BridgeError('UNSUPPORTED', `The C library cannot be reached on ${process.platform}.`, {
      cause,
    });
  }
  return loaded;
}

/** The symbolic name of the last failed call's error, such as `EIO`. */
export function lastError(): string {
  const number = koffi.errno();
  for (const [name, value] of Object.entries(constants.errno)) if (value === number) return name;
  return `errno ${number}`;
}

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
