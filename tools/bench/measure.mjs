/** Measures by repetition: the best of several rounds, which other programs on the machine disturb least. */

const ROUNDS = 7;
const ROUND_MS = 150;

/** Calls a second of `work`, best round. */
export function rate(work) {
  work();
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    let calls = 0;
    let elapsed = 0;
    do {
      work();
      calls++;
      elapsed = performance.now() - start;
    } while (elapsed < ROUND_MS);
    best = Math.max(best, (calls / elapsed) * 1_000);
  }
  return best;
}

export const gigabytes = (bytesPerSecond) => `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;

/** A row of a table: what, the figure, and what it is compared with. */
export function row(what, figure, note = '') {
  console.log(`${what.padEnd(46)} ${figure.padStart(14)}  ${note}`);
}
