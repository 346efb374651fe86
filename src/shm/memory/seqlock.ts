/**
 * A sequence lock over shared memory: one writer that never waits, any number of readers that only read. A counter
 * is odd while the writer is at work and even when the data is whole; a reader that saw the same even number before
 * and after has a consistent copy.
 *
 * Ordering: JavaScript has no memory fence, and plain copies may pass an atomic store (on the writer's side) or an
 * atomic load (on the reader's) on ARM. An atomic store followed by an atomic load is a full fence there: earlier
 * accesses stay before the store (it is a release), the load stays behind the store, and later accesses stay behind
 * the load (it is an acquire). On x86 both cost next to nothing.
 */

const scratch = new Int32Array(new SharedArrayBuffer(4));

/** Keeps every access before it apart from every access after it. */
export function fence(): void {
  Atomics.store(scratch, 0, 0);
  Atomics.load(scratch, 0);
}

/** The writer begins: the counter becomes odd, visibly before any data changes. */
export function beginWrite(words: Int32Array, index: number): void {
  Atomics.store(words, index, Atomics.load(words, index) | 1);
  fence();
}

/** The writer is done: the counter becomes even, visibly after all data. */
export function endWrite(words: Int32Array, index: number): void {
  Atomics.store(words, index, (Atomics.load(words, index) | 1) + 1);
}

/** How long a writer at work is waited for: well above the time for a large frame, and a bound when it has died. */
const PATIENCE_MS = 5;
/** Looks before a writer that takes longer, or was halted, is given the processor. */
const QUICK_LOOKS = 200;
const PAUSE_MS = 0.1;
/** Copies that a faster writer spoiled before giving up. */
const MAX_ATTEMPTS = 64;

/**
 * What `read` made of a moment when nothing was being written; undefined when there was none in a bounded time,
 * because the writer died or was halted in the middle of a write, or is always faster. `read` may see torn data on
 * the way and must not trust it: what it returned is dropped then.
 */
export function readStable<T>(words: Int32Array, index: number, read: () => T): { value: T } | undefined {
  let end: number | undefined;
  for (let looks = 0, attempts = 0; attempts < MAX_ATTEMPTS; ) {
    const before = Atomics.load(words, index);
    if ((before & 1) === 0) {
      attempts++;
      const value = read();
      fence();
      if (Atomics.load(words, index) === before) return { value };
    } else if (++looks > QUICK_LOOKS) {
      end ??= performance.now() + PATIENCE_MS;
      if (performance.now() >= end) return undefined;
      Atomics.wait(scratch, 0, 0, PAUSE_MS);
    }
  }
  return undefined;
}

/** Whether a write is under way, or was when its writer died. */
export function isWriting(words: Int32Array, index: number): boolean {
  return (Atomics.load(words, index) & 1) === 1;
}
