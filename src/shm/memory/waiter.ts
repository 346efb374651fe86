/** Waiting for a wake word in shared memory without blocking the event loop. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Signal } from '../../async.js';
import { BridgeError } from '../../errors.js';
import { futex } from '../../libc-memory.js';
import { closeAtExit } from './cleanup.js';
import { CONTROL, READY, STATE, type WaitSetup } from './wait-worker.js';

/** A word in shared memory that a writer raises. */
export interface WakeWord {
  /** Where it is in this process; undefined: its writer wakes no reader. */
  readonly wakeAddress: number | undefined;
  /** Its value now. */
  readonly wake: number;
}

export interface Waiter {
  /**
   * Resolves when the wake word is no longer `seen`, after `timeoutMs`, or possibly earlier: look again. One call at a
   * time. Rejects with `signal.reason`, or with what reading the word throws. The process stays alive for it.
   */
  wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Ends what waits, and resolves when nothing touches the word any more. Idempotent. */
  close(): Promise<void>;
}

/** Looks at a word that wakes no reader: well below the time between two frames. */
const POLL_MS = 2;
const STOP_MS = 5;
/** Threads that wait at the same time; more readers look by themselves. */
const MAX_THREADS = 32;
let threads = 0;

/** Looks every few milliseconds: for segments whose writer wakes no reader, and machines without futexes. */
class PollingWaiter implements Waiter {
  readonly #ended = new Signal();
  readonly #word: WakeWord;
  #open = true;

  constructor(word: WakeWord) {
    this.#word = word;
  }

  async wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (this.#open && this.#word.wake === seen) {
      const left = end - performance.now();
      if (left <= 0) return;
      await this.#ended.wait(Math.min(POLL_MS, left), signal);
    }
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#ended.set();
  }
}

/** Workers run compiled code: seen from TypeScript sources it lies in `dist`. */
function workerFile(): string {
  const here = import.meta.url;
  const path = here.endsWith('.ts') ? '../../../dist/shm/memory/wait-worker.js' : 'wait-worker.js';
  const file = fileURLToPath(new URL(path, here));
  if (existsSync(file)) return file;
  throw new BridgeError('FILE_FAILED', `${file} is missing: run \`npm run build\`.`, { context: { file } });
}

/** A thread sleeps on the word. */
class ThreadWaiter implements Waiter {
  readonly #word: WakeWord;
  readonly #wakeThread: () => void;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * CONTROL.words));
  readonly #exited: Promise<void>;
  readonly #changed = new Signal();
  readonly #polling: Waiter;
  readonly #forget: () => void;
  /** A thread takes a while to start, and can die; until and after that the word is polled. */
  #ready = false;
  #closing: Promise<void> | undefined;

  constructor(word: WakeWord, address: number, wakeThread: () => void) {
    this.#word = word;
    this.#wakeThread = wakeThread;
    this.#polling = new PollingWaiter(word);
    const workerData: WaitSetup = { address, control: this.#control };
    const worker = new Worker(workerFile(), { workerData, argv: [], execArgv: [] });
    threads++;
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        threads--;
        this.#ready = false;
        this.#changed.set();
        resolve();
      });
    });
    worker.on('message', (message: unknown) => {
      if (message === READY) this.#ready = true;
      else this.#changed.set();
    });
    // It ends by itself.
    worker.on('error', () => undefined);
    worker.unref();
    this.#forget = closeAtExit(() => this.#stop());
  }

  async wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#closing || this.#word.wake !== seen) return;
    if (!this.#ready) return this.#polling.wait(seen, timeoutMs, signal);
    this.#changed.clear();
    const control = this.#control;
    // The value first: the thread takes it when it sees the state.
    Atomics.store(control, CONTROL.value, seen);
    Atomics.store(control, CONTROL.state, STATE.waiting);
    Atomics.notify(control, CONTROL.state);
    try {
      await this.#changed.wait(timeoutMs, signal);
    } finally {
      // Left over when the time was up; an answer that comes late is forgotten.
      Atomics.compareExchange(control, CONTROL.state, STATE.waiting, STATE.idle);
    }
  }

  #stop(): void {
    Atomics.store(this.#control, CONTROL.state, STATE.stop);
    Atomics.notify(this.#control, CONTROL.state);
    this.#wakeThread();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#forget();
    this.#changed.set();
    await this.#polling.close();
    this.#stop();
    // The thread may have been between its look at the state and its sleep.
    const again = setInterval(() => this.#stop(), STOP_MS);
    await this.#exited;
    clearInterval(again);
  }
}

/** Something to wait on the wake word with. The word stays mapped until its `close()` has resolved. */
export function createWaiter(word: WakeWord): Waiter {
  const { wakeAddress } = word;
  const system = futex();
  if (wakeAddress === undefined || system === undefined || threads >= MAX_THREADS)
    return new PollingWaiter(word);
  return new ThreadWaiter(word, wakeAddress, () => system.wake(wakeAddress));
}
