/** Readers that are started before the program they read. */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from './memory/system-errors.js';
import { openShm, type ShmReader } from './open-shm.js';

export interface WaitOptions {
  /** Default: for as long as it takes. */
  readonly timeoutMs?: number;
  /** Ends the waiting; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** How often to look. */
const LOOK_MS = 50;

/**
 * Opens the shared memory `name` as `openShm` does, once there is any. Rejects with what `openShm` throws: that there is
 * none (`SHM_FAILED`, `context.errno` is `ENOENT`) when the time is up, anything else at once.
 */
export async function waitForShm(name: string, options: WaitOptions = {}): Promise<ShmReader> {
  const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
  const end = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return openShm(name);
    } catch (error) {
      const left = end - performance.now();
      if (systemCode(error) !== 'ENOENT' || left <= 0) throw error;
      await sleep(Math.min(LOOK_MS, left), undefined, signal ? { signal } : {}).catch(() => undefined);
    }
  }
}
