/** The word of a segment that readers sleep on: a count that goes up whenever there is something to look at. */
import { futex } from './futex.js';
import type { Mapping } from './posix.js';
import type { SegmentLayout } from './segment-layout.js';

/** Raises the wake word of a mapped segment and wakes who waits on it. */
export function waker(mapping: Mapping, size: number, layout: SegmentLayout): () => void {
  const offset = layout.wakeOffset?.(size);
  if (offset === undefined) return () => undefined;
  const word = new Int32Array(mapping.buffer, offset, 1);
  const address = mapping.address + offset;
  const system = futex();
  return () => {
    Atomics.add(word, 0, 1);
    system?.wake(address);
  };
}
