/**
 * A named POSIX semaphore as a lock between processes that were not all written with care: a peer may post without
 * having waited, or die while it holds the lock. `Lock` mends both: what is above one is taken out, and a lock that is
 * not given back within a second is taken for that of a dead process.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, unlinkSync } from 'node:fs';
import { pause } from '../../async.js';
import { BridgeError } from '../../errors.js';
import { type Mapping, memory, semaphores } from '../../libc-memory.js';
import { type FileId, leadsTo, lostName, SHM_DIRECTORY } from './segment-layout.js';
import { invalid } from './segment-view.js';
import { fullError, isFull, segmentError, systemCode } from './system-errors.js';
import { TempSegment } from './temp-segment.js';

function pathOf(name: string): string {
  return `${SHM_DIRECTORY}/${semaphores().prefix}${name.slice(1)}`;
}

export function unlinkSemaphore(name: string): void {
  try {
    unlinkSync(pathOf(name));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw segmentError('remove the semaphore of', name, error);
  }
}

/** Throws `SHM_IN_USE` when there is a semaphore of that name. */
export function checkSemaphoreFree(name: string): void {
  if (existsSync(pathOf(name))) throw taken(name);
}

function taken(name: string): BridgeError {
  return new BridgeError(
    'SHM_IN_USE',
    `The semaphore ${name} is taken: ${pathOf(name)} was made by another program. Remove it if nothing needs it, or ` +
      'choose another name.',
    { context: { name } },
  );
}

/** How the lock was got. */
export type Grip =
  /** Nothing says that another process is inside. */
  | 'sole'
  /** The count had been above one: another process may be inside as well. */
  | 'shared'
  /** The time was up: the holder is taken for dead. */
  | 'forced';

const PAUSE_MS = 1;
/** Longer than a peer takes to copy a picture. */
const SETTLE_MS = 20;
/** As long as the public package waits. */
export const LOCK_TIMEOUT_MS = 1_000;
/** A post that was one too many is no more than this; bounds the taking out. */
const MAX_SURPLUS = 10_000;

const OPEN_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE_ATTEMPTS = 20;

export class Lock {
  readonly name: string;
  readonly #mapping: Mapping;
  readonly #file: FileId;
  #open = true;

  private constructor(name: string, mapping: Mapping, file: FileId) {
    this.name = name;
    this.#mapping = mapping;
    this.#file = file;
  }

  /**
   * A new semaphore of count 1, in one step: with `replace` in the place of whatever had the name, else `SHM_IN_USE` when
   * it is taken.
   */
  static create(name: string, mode: number, replace: boolean): Lock {
    const { size, initialise } = semaphores();
    try {
      for (let attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
        const made = TempSegment.make(size, mode, ({ address }) => initialise(address, 1));
        if (!made?.name(pathOf(name), replace)) continue;
        closeSync(made.fd);
        return new Lock(name, made.mapping, made.file);
      }
    } catch (error) {
      if (isFull(error)) throw fullError(`The semaphore ${name}`, SHM_DIRECTORY, size, error);
      throw segmentError('create the semaphore of', name, error);
    }
    throw taken(name);
  }

  /**
   * An existing one. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none) or `SHM_INVALID` (what has
   * the name is no semaphore).
   */
  static open(name: string): Lock {
    const { size } = semaphores();
    try {
      const fd = openSync(pathOf(name), OPEN_FLAGS);
      try {
        const file = fstatSync(fd);
        // Touching bytes that are not there would kill the process.
        if (!file.isFile() || file.size < size)
          throw invalid(name, 'is no semaphore: another program uses this name.');
        return new Lock(name, memory().map(fd, size, 'write'), file);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw segmentError('open the semaphore of', name, error);
    }
  }

  /** Whether the semaphore `name` is there and its count is 0. */
  static isHeld(name: string): boolean {
    let lock: Lock;
    try {
      lock = Lock.open(name);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    }
    const held = lock.value === 0;
    lock.close(false);
    return held;
  }

  #tryWait(): boolean {
    return this.#open && semaphores().tryWait(this.#mapping.address);
  }

  /** Takes the lock if it is free. */
  tryAcquire(): Exclude<Grip, 'forced'> | undefined {
    if (!this.#tryWait()) return undefined;
    return this.drain() ? 'shared' : 'sole';
  }

  /**
   * Waits for the lock without blocking the event loop, and takes it for granted after `timeoutMs`: a peer that died
   * while it held the lock blocks no other for longer. `release()` mends the count then. `close()` ends the waiting.
   */
  async acquire(timeoutMs = LOCK_TIMEOUT_MS): Promise<Grip> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const grip = this.tryAcquire();
      if (grip !== undefined) return grip;
      if (!this.#open || performance.now() >= end) return 'forced';
      await pause(PAUSE_MS);
    }
  }

  /** While holding: takes out what was posted meanwhile. Whether there was any: then another process was inside. */
  drain(): boolean {
    let surplus = 0;
    while (surplus < MAX_SURPLUS && this.#tryWait()) surplus++;
    return surplus > 0;
  }

  /** Gives it back: the count is 1 afterwards, whatever others did. False: another process had been inside. */
  release(): boolean {
    const alone = !this.drain();
    if (this.#open) semaphores().post(this.#mapping.address);
    return alone;
  }

  /** While holding: waits until other processes inside have had time to leave. */
  async settle(): Promise<void> {
    do await pause(SETTLE_MS);
    while (this.drain());
  }

  /** The count now. */
  get value(): number {
    return semaphores().value(this.#mapping.address);
  }

  /** `SHM_FAILED`: another program removed its name. Undefined: it is there. */
  lost(): BridgeError | undefined {
    return lostName(this.name, pathOf(this.name), this.#file);
  }

  /** Lets go of it; `remove`: takes the name away, if it still leads here. Idempotent. */
  close(remove: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    if (remove && leadsTo(pathOf(this.name), this.#file)) unlinkSemaphore(this.name);
    this.#mapping.unmap();
  }
}
