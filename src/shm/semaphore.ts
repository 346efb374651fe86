/**
 * A named POSIX semaphore as a lock between processes that were not all written with care: a peer may post without
 * having waited, or die with the lock in hand. `Lock` mends both: what is above one is taken out, and a lock that
 * nobody gives back within a second is taken for that of a dead process.
 */
import { chmodSync, existsSync, constants as fsConstants, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindCalls, LibcError, type Library } from './posix.js';
import { SHM_DIRECTORY } from './segment-name.js';
import { segmentError, systemCode } from './system-errors.js';

interface Calls {
  /** Address of the semaphore, or throws. */
  open(name: string, flags: number, mode: number, value: number): bigint;
  close(semaphore: bigint): void;
  tryWait(semaphore: bigint): boolean;
  post(semaphore: bigint): void;
  value(semaphore: bigint): number;
}

function bind({ koffi, libc }: Library): Calls {
  const open: (name: string, flags: number, mode: number, value: number) => bigint | null = libc.func(
    'void *sem_open(str name, int flags, unsigned int mode, unsigned int value)',
  );
  const close: (semaphore: bigint) => number = libc.func('int sem_close(void *semaphore)');
  const tryWait: (semaphore: bigint) => number = libc.func('int sem_trywait(void *semaphore)');
  const post: (semaphore: bigint) => number = libc.func('int sem_post(void *semaphore)');
  const value: (semaphore: bigint, out: Int32Array) => number = libc.func(
    'int sem_getvalue(void *semaphore, void *value)',
  );
  const word = new Int32Array(1);
  return {
    open(name, flags, mode, initial) {
      const semaphore = open(name, flags, mode, initial);
      if (!semaphore) throw new LibcError('sem_open', koffi.errno());
      return semaphore;
    },
    close: (semaphore) => {
      close(semaphore);
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

/** Where the semaphore `/name` is: glibc puts `sem.` before the name, musl does not. */
function semaphorePath(name: string): string {
  const plain = `${SHM_DIRECTORY}/${name.slice(1)}`;
  const prefixed = `${SHM_DIRECTORY}/sem.${name.slice(1)}`;
  return existsSync(prefixed) || !existsSync(plain) ? prefixed : plain;
}

export function unlinkSemaphore(name: string): void {
  try {
    unlinkSync(semaphorePath(name));
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

export class Lock {
  readonly name: string;
  readonly #semaphore: bigint;
  readonly #calls = calls();
  readonly #inode: number;
  #open = true;

  private constructor(name: string, semaphore: bigint) {
    this.name = name;
    this.#semaphore = semaphore;
    this.#inode = lstatSync(semaphorePath(name), { throwIfNoEntry: false })?.ino ?? 0;
  }

  /** A new semaphore of count 1 in the place of whatever had the name, in one step. */
  static create(name: string, mode: number): Lock {
    const made = `/.openmv-bridge-${process.pid}-${Math.random().toString(36).slice(2, 10)}`;
    try {
      const semaphore = calls().open(made, fsConstants.O_CREAT | fsConstants.O_EXCL, mode, 1);
      chmodSync(semaphorePath(made), mode);
      const path = semaphorePath(made);
      renameSync(path, path.replace(made.slice(1), name.slice(1)));
      return new Lock(name, semaphore);
    } catch (error) {
      throw segmentError('create the semaphore of', name, error);
    }
  }

  /** An existing one. Throws `SHM_FAILED`; `context.errno` is `ENOENT` when there is none. */
  static open(name: string): Lock {
    try {
      return new Lock(name, calls().open(name, 0, 0, 0));
    } catch (error) {
      throw segmentError('open the semaphore of', name, error);
    }
  }

  /** Takes the lock if it is free. */
  tryAcquire(): Exclude<Grip, 'forced'> | undefined {
    if (!this.#calls.tryWait(this.#semaphore)) return undefined;
    return this.drain() ? 'shared' : 'sole';
  }

  /**
   * Waits for the lock without blocking the event loop, and takes it for granted after `timeoutMs`: a peer that died
   * with it in hand blocks nobody for longer. `release()` mends the count then.
   */
  async acquire(timeoutMs = LOCK_TIMEOUT_MS): Promise<Grip> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const grip = this.tryAcquire();
      if (grip !== undefined) return grip;
      if (performance.now() >= end) return 'forced';
      await sleep(PAUSE_MS);
    }
  }

  /** While holding: takes out what was posted meanwhile. Whether there was any: then somebody else was inside. */
  drain(): boolean {
    let surplus = 0;
    while (surplus < MAX_SURPLUS && this.#calls.tryWait(this.#semaphore)) surplus++;
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
    this.#calls.close(this.#semaphore);
    if (remove && lstatSync(semaphorePath(this.name), { throwIfNoEntry: false })?.ino === this.#inode)
      unlinkSemaphore(this.name);
  }
}
