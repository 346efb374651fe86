/**
 * Mulberry32: a generator of 32-bit numbers with 32 bits of state. Small, fast and the same on every machine,
 * as faults that can be repeated need it. Not for secrets.
 *
 * Returns a function that gives the next number, at least 0 and below 1.
 */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** The seed of the n-th time that something begins, from 1: the first has the seed itself. */
export function seedOfLife(seed: number, life: number): number {
  return (seed + Math.imul(life - 1, 0x9e3779b9)) >>> 0;
}
