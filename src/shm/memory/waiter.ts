/** Waiting for a wake word in shared memory without blocking the event loop. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { BridgeError } from '../../errors.js';
import { closeAtExit } from './cleanup.js';
import { futex } from './futex.js';
import { CONTROL, READY, STATE, type WaitSetup } from './wait-worker.js';

export interface Waiter {
  /**
   * Resolves when the wake word is no longer `seen`, after `timeoutMs`, or when `signal` says so; possibly earlier:
   * look again. One call at a time. Rejects with what reading the word throws. The process stays alive for it.
   */
  wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Ends what waits, and resolves when nothing touches the word any more. Idempotent. */
  close(): Promise<void>;
}

/** Looks at a word that nobody wakes us for: well below the time between two frames. */
const POLL_MS = 2;
const STOP_MS = 5;
/** Threads that wait at the same time; more readers look by themselves. */
const MAX_THREADS = 32;
let threads = 0;

/** A promise that someone else settles, in a given time at the latest. */
class Pause {
  #settle: (() => void) | undefined;

  get pending(): boolean {
    return this.#settle !== undefined;
  }

  start(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.end(), timeoutMs);
      const abort = (): void => this.end();
      signal?.addEventListener('abort', abort, { once: true });
      this.#settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        this.#settle = undefined;
        resolve();
      };
    });
  }

  end(): void {
    this.#settle?.();
  }
}

/** Looks every few milliseconds: for segments whose writer wakes nobody, and machines without futexes. */
class PollingWaiter implements Waiter {
  readonly #pause = new Pause();
  readonly #word: () => number;
  #open = true;

  constructor(word: () => number) {
    this.#word = word;
  }

  async wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (this.#open && signal?.aborted !== true && this.#word() === seen) {
      const left = end - performance.now();
      if (left <= 0) return;
      await this.#pause.start(Math.min(POLL_MS, left), signal);
    }
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#pause.end();
  }
}

/** Workers run compiled code: seen from TypeScript sources it lies in `dist`. */
function workerFile(): string {
  const here = import.meta.url;
  return fileURLToPath(
    here.endsWith('.ts')
      ? new URL('../../../dist/shm/memory/wait-worker.js', here)
      : new URL('wait-worker.js', here),
  );
}

/** A thread sleeps on the word. */
class ThreadWaiter implements Waiter {
  readonly #word: () => number;
  readonly #wake: () => void;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * CONTROL.words));
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #pause = new Pause();
  readonly #looking: Waiter;
  readonly #forget: () => void;
  /** A thread takes a while to start; until then waiting is looking. */
  #ready = false;
  #dead = false;
  #closing: Promise<void> | undefined;

  constructor(file: string, address: number, word: () => number, wake: () => void) {
    this.#word = word;
    this.#wake = wake;
    this.#looking = new PollingWaiter(word);
    const workerData: WaitSetup = { address, control: this.#control };
    this.#worker = new Worker(file, { workerData, argv: [], execArgv: [] });
    threads++;
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        threads--;
        this.#dead = true;
        this.#pause.end();
        resolve();
      });
    });
    this.#worker.on('message', (message: unknown) => {
      if (message === READY) this.#ready = true;
      else this.#pause.end();
    });
    // It ends by itself; waiting goes on by looking.
    this.#worker.on('error', () => undefined);
    this.#worker.unref();
    this.#forget = closeAtExit(() => this.#stop());
  }

  async wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#word() !== seen || this.#closing || signal?.aborted === true) return;
    if (this.#dead || !this.#ready) return this.#looking.wait(seen, timeoutMs, signal);
    const control = this.#control;
    // The value first: the thread takes it when it sees the state.
    Atomics.store(control, CONTROL.value, seen);
    Atomics.store(control, CONTROL.state, STATE.waiting);
    Atomics.notify(control, CONTROL.state);
    await this.#pause.start(timeoutMs, signal);
    // Left over when the time was up; an answer that comes late finds nobody.
    Atomics.compareExchange(control, CONTROL.state, STATE.waiting, STATE.idle);
  }

  #stop(): void {
    Atomics.store(this.#control, CONTROL.state, STATE.stop);
    Atomics.notify(this.#control, CONTROL.state);
    this.#wake();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#forget();
    this.#pause.end();
    await this.#looking.close();
    this.#stop();
    // The thread may have been between its look at the state and its sleep.
    const again = setInterval(() => this.#stop(), STOP_MS);
    await this.#exited;
    clearInterval(again);
  }
}

/**
 * Something to wait on the wake word at `address` with; `word` reads it. The word stays mapped until `close()` has
 * resolved.
 */
export function createWaiter(address: number, word: () => number, wakes: boolean): Waiter {
  const system = futex();
  if (!wakes || system === undefined || threads >= MAX_THREADS) return new PollingWaiter(word);
  const file = workerFile();
  if (!existsSync(file)) {
    throw new BridgeError('FILE_FAILED', `${file} is missing: run \`npm run build\`.`, { context: { file } });
  }
  return new ThreadWaiter(file, address, word, () => system.wake(address));
}
