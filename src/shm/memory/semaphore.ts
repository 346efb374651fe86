/**
 * A named POSIX semaphore as a lock between processes that were not all written with care: a peer may post without
 * having waited, or die with the lock in hand. `Lock` mends both: what is above one is taken out, and a lock that
 * nobody gives back within a second is taken for that of a dead process.
 */
import {
  closeSync,
  constants as fsConstants,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindCalls, LibcError, type Library, type Mapping, posix } from './posix.js';
import { SHM_DIRECTORY } from './segment-name.js';
import { invalid } from './segment-view.js';
import { fullError, isFull, segmentError, systemCode } from './system-errors.js';
import { discard, makeUnfinished } from './unfinished.js';

/**
 * A named semaphore is a file with a `sem_t` in it, mapped: `sem_open` does no more (glibc and musl). Done here, it is
 * made like a segment, which leaves nothing that could not be cleared, and its length is known before it is used.
 */
interface Calls {
  /** Bytes of a `sem_t`. */
  readonly size: number;
  /** Where the semaphore `/name` is. */
  path(name: string): string;
  initialise(semaphore: number, value: number): void;
  tryWait(semaphore: number): boolean;
  post(semaphore: number): void;
  value(semaphore: number): number;
}

const SHARED = 1;

function bind({ koffi, libc }: Library): Calls {
  const init: (semaphore: number, shared: number, value: number) => number = libc.func(
    'int sem_init(uintptr_t semaphore, int shared, unsigned int value)',
  );
  const tryWait: (semaphore: number) => number = libc.func('int sem_trywait(uintptr_t semaphore)');
  const post: (semaphore: number) => number = libc.func('int sem_post(uintptr_t semaphore)');
  const value: (semaphore: number, out: Int32Array) => number = libc.func(
    'int sem_getvalue(uintptr_t semaphore, void *value)',
  );
  // glibc puts `sem.` before the name, musl does not.
  let prefix = 'sem.';
  try {
    libc.func('const char *gnu_get_libc_version()');
  } catch {
    prefix = '';
  }
  const word = new Int32Array(1);
  return {
    // In both libraries, on every architecture.
    size: 4 * koffi.sizeof('long'),
    path: (name) => `${SHM_DIRECTORY}/${prefix}${name.slice(1)}`,
    initialise(semaphore, initial) {
      if (init(semaphore, SHARED, initial) !== 0) throw new LibcError('sem_init', koffi.errno());
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
      value(semaphore, word);
      return word[0]!;
    },
  };
}

let bound: Calls | undefined;

function calls(): Calls {
  bound ??= bindCalls(bind);
  return bound;
}

export function unlinkSemaphore(name: string): void {
  try {
    unlinkSync(calls().path(name));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw segmentError('remove the semaphore of', name, error);
  }
}

/** How the lock was got. */
export type Grip =
  /** Nothing says that anybody else is inside. */
  | 'sole'
  /** The count had been above one: somebody else may be inside as well. */
  | 'shared'
  /** The time was up: whoever held it is taken for dead. */
  | 'forced';

const PAUSE_MS = 1;
/** Longer than a peer takes to copy a picture. */
const SETTLE_MS = 20;
/** As long as the public package waits. */
export const LOCK_TIMEOUT_MS = 1_000;
/** A post that was one too many is no more than this; bounds the taking out. */
const MAX_SURPLUS = 10_000;

const OPEN_FLAGS = fsConstants.O_RDWR | fsConstants.O_NOFOLLOW | fsConstants.O_NONBLOCK;
const CREATE_ATTEMPTS = 20;

export class Lock {
  readonly name: string;
  readonly #mapping: Mapping;
  readonly #semaphore: number;
  readonly #calls = calls();
  readonly #inode: number;
  #open = true;

  private constructor(name: string, mapping: Mapping, inode: number) {
    this.name = name;
    this.#mapping = mapping;
    this.#semaphore = mapping.address;
    this.#inode = inode;
  }

  /** A new semaphore of count 1 in the place of whatever had the name, in one step. */
  static create(name: string, mode: number): Lock {
    const { size, path, initialise } = calls();
    try {
      for (let attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
        const made = makeUnfinished(size, mode, ({ address }) => initialise(address, 1));
        if (made === undefined) continue;
        try {
          renameSync(made.path, path(name));
        } catch (error) {
          discard(made);
          // A sweep took it.
          if (systemCode(error) === 'ENOENT') continue;
          throw error;
        }
        closeSync(made.fd);
        return new Lock(name, made.mapping, made.inode);
      }
    } catch (error) {
      if (isFull(error)) throw fullError(`The semaphore ${name}`, SHM_DIRECTORY, size, error);
      throw segmentError('create the semaphore of', name, error);
    }
    throw segmentError('create the semaphore of', name, new Error('others remove it again and again'));
  }

  /**
   * An existing one. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none) or `SHM_INVALID` (what has
   * the name is no semaphore).
   */
  static open(name: string): Lock {
    const { size, path } = calls();
    try {
      const fd = openSync(path(name), OPEN_FLAGS);
      try {
        const file = fstatSync(fd);
        // Touching bytes that are not there would kill the process.
        if (!file.isFile() || file.size < size)
          throw invalid(name, 'is no semaphore: another program uses this name.');
        return new Lock(name, posix().map(fd, size, 'write'), file.ino);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw segmentError('open the semaphore of', name, error);
    }
  }

  /** Takes the lock if it is free. */
  tryAcquire(): Exclude<Grip, 'forced'> | undefined {
    if (!this.#open || !this.#calls.tryWait(this.#semaphore)) return undefined;
    return this.drain() ? 'shared' : 'sole';
  }

  /**
   * Waits for the lock without blocking the event loop, and takes it for granted after `timeoutMs`: a peer that died
   * with it in hand blocks nobody for longer. `release()` mends the count then. `close()` ends the waiting.
   */
  async acquire(timeoutMs = LOCK_TIMEOUT_MS): Promise<Grip> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const grip = this.tryAcquire();
      if (grip !== undefined) return grip;
      if (!this.#open || performance.now() >= end) return 'forced';
      await sleep(PAUSE_MS);
    }
  }

  /** While holding: takes out what was posted meanwhile. Whether there was any: then somebody else was inside. */
  drain(): boolean {
    let surplus = 0;
    while (this.#open && surplus < MAX_SURPLUS && this.#calls.tryWait(this.#semaphore)) surplus++;
    return surplus > 0;
  }

  /** Gives it back: the count is 1 afterwards, whatever others did. False: somebody else had been inside. */
  release(): boolean {
    const alone = !this.drain();
    this.#calls.post(this.#semaphore);
    return alone;
  }

  /** While holding: waits until whoever else was inside has had time to leave. */
  async settle(): Promise<void> {
    do await sleep(SETTLE_MS);
    while (this.drain());
  }

  /** The count now. */
  get value(): number {
    return this.#calls.value(this.#semaphore);
  }

  /** Lets go of it; `remove`: takes the name away, if it still leads here. Idempotent. */
  close(remove: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    const path = this.#calls.path(this.name);
    if (remove && lstatSync(path, { throwIfNoEntry: false })?.ino === this.#inode) unlinkSemaphore(this.name);
    this.#mapping.unmap();
  }
}
