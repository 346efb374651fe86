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

/** Looks at a word that wakes no reader: well below the time between two frames. */
const POLL_MS = 2;
const STOP_MS = 5;
/** Threads that wait at the same time; more readers look by themselves. */
const MAX_THREADS = 32;
let threads = 0;

/** Workers run compiled code: seen from TypeScript sources it lies in `dist`. */
function workerFile(): string {
  const here = import.meta.url;
  const path = here.endsWith('.ts') ? '../../../dist/shm/memory/wait-worker.js' : 'wait-worker.js';
  const file = fileURLToPath(new URL(path, here));
  if (existsSync(file)) return file;
  throw new BridgeError('FILE_FAILED', `${file} is missing: run \`npm run build\`.`, { context: { file } });
}

/** A thread that sleeps on a word. It takes a while to start, and can die. */
class WaitThread {
  ready = false;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * CONTROL.words));
  readonly #exited: Promise<void>;
  readonly #wake: () => void;
  readonly #forget: () => void;

  /** `changed` is set when the word is no longer what the thread was told, and when the thread is gone. */
  constructor(address: number, wake: () => void, changed: Signal) {
    this.#wake = wake;
    const workerData: WaitSetup = { address, control: this.#control };
    const worker = new Worker(workerFile(), { workerData, argv: [], execArgv: [] });
    threads++;
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        threads--;
        this.ready = false;
        changed.set();
        resolve();
      });
    });
    worker.on('message', (message: unknown) => {
      if (message === READY) this.ready = true;
      else changed.set();
    });
    // It ends by itself.
    worker.on('error', () => undefined);
    worker.unref();
    this.#forget = closeAtExit(() => this.#stop());
  }

  /** Begins to sleep while the word is `seen`. */
  watch(seen: number): void {
    // The value first: the thread takes it when it sees the state.
    Atomics.store(this.#control, CONTROL.value, seen);
    Atomics.store(this.#control, CONTROL.state, STATE.waiting);
    Atomics.notify(this.#control, CONTROL.state);
  }

  /** Ends `watch()`; an answer that comes late is forgotten. */
  rest(): void {
    Atomics.compareExchange(this.#control, CONTROL.state, STATE.waiting, STATE.idle);
  }

  #stop(): void {
    Atomics.store(this.#control, CONTROL.state, STATE.stop);
    Atomics.notify(this.#control, CONTROL.state);
    this.#wake();
  }

  async close(): Promise<void> {
    this.#forget();
    this.#stop();
    // The thread may have been between its look at the state and its sleep.
    const again = setInterval(() => this.#stop(), STOP_MS);
    await this.#exited;
    clearInterval(again);
  }
}

/** Waits on a wake word, which stays mapped until `close()` has resolved: by a thread, or by looking where none serves. */
export class Waiter {
  readonly #word: WakeWord;
  readonly #changed = new Signal();
  readonly #thread: WaitThread | undefined;
  #closing: Promise<void> | undefined;

  constructor(word: WakeWord) {
    this.#word = word;
    const { wakeAddress } = word;
    const system = futex();
    if (wakeAddress === undefined || system === undefined || threads >= MAX_THREADS) return;
    this.#thread = new WaitThread(wakeAddress, () => system.wake(wakeAddress), this.#changed);
  }

  /**
   * Resolves when the wake word is no longer `seen`, after `timeoutMs`, or possibly earlier: look again. One call at a
   * time. Rejects with `signal.reason`, or with what reading the word throws. The process stays alive for it.
   */
  async wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const end = performance.now() + timeoutMs;
    const thread = this.#thread;
    while (!this.#closing && this.#word.wake === seen) {
      const left = end - performance.now();
      if (left <= 0) return;
      if (!thread?.ready) {
        await this.#changed.wait(Math.min(POLL_MS, left), signal);
        continue;
      }
      this.#changed.clear();
      thread.watch(seen);
      try {
        await this.#changed.wait(left, signal);
      } finally {
        thread.rest();
      }
      return;
    }
  }

  /** Ends what waits, and resolves when nothing touches the word any more. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#thread?.close() ?? Promise.resolve();
    this.#changed.set();
    return this.#closing;
  }
}
