/**
 * The thread that sleeps on a wake word, so that the event loop need not. It is told a value by the main thread, sleeps
 * while the word has it, and posts one message when that is over.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { futex } from '../../libc-memory.js';

export interface WaitSetup {
  /** Of the wake word, in this process. */
  readonly address: number;
  readonly control: Int32Array;
}

/** Words of the control block. */
export const CONTROL = { state: 0, value: 1, words: 2 } as const;
/** What the state word says. */
export const STATE = { idle: 0, waiting: 1, stop: 2 } as const;

/** Posted once, when it can wait. */
export const READY = 1;
/** Posted when the word is no longer what it was told. */
const CHANGED = 0;

/** How long it takes at most to see that it shall stop, when the waking is missed. */
const SLICE_MS = 100;

function serve({ address, control }: WaitSetup): void {
  const system = futex();
  if (system === undefined) return;
  parentPort?.postMessage(READY);
  for (;;) {
    Atomics.wait(control, CONTROL.state, STATE.idle);
    const value = Atomics.load(control, CONTROL.value);
    while (Atomics.load(control, CONTROL.state) === STATE.waiting) {
      if (!system.wait(address, value, SLICE_MS)) continue;
      // Only a request that still stands is answered.
      if (Atomics.compareExchange(control, CONTROL.state, STATE.waiting, STATE.idle) === STATE.waiting)
        parentPort?.postMessage(CHANGED);
    }
    if (Atomics.load(control, CONTROL.state) === STATE.stop) return;
  }
}

if (parentPort !== null) serve(workerData as WaitSetup);
