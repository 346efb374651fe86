/** What every benchmark uses: how it measures by repetition, and the table it fills. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { threadMs } from './thread-time.mjs';

const ROUNDS = 7;
const ROUND_MS = 150;

/** Of a unit: digits behind the point, and whether more is better. */
const UNITS = {
  'GB/s': [2, true],
  'MB/s': [1, true],
  'frames/s': [1, true],
  'calls/s': [0, true],
  '%': [1, true],
  '% of a core': [1, false],
  us: [2, false],
  ms: [3, false],
  bytes: [0, false],
  promises: [1, false],
  x: [2, true],
};

/** What the command line said: `quick` runs everything with tiny counts, to see that it works. */
export const settings = { quick: false };
const rows = [];
let before = new Map();
let part = '';

/** One of the two, as the run is quick or not. */
export const either = (full, tiny) => (settings.quick ? tiny : full);

/** Begins a part of the table. */
export function begin(name) {
  part = name;
  console.log(`\n== ${name}`);
}

/** A row of the table: what, the figure, and what it is compared with. */
export function row(what, value, unit, note = '') {
  const [digits, more] = UNITS[unit];
  rows.push({ part, what, value, unit });
  const earlier = before.get(`${part}: ${what}`);
  const ratio =
    earlier > 0 ? `${(value / earlier).toFixed(2)} x before${more ? '' : ' (less is better)'}; ` : '';
  console.log(`${what.padEnd(54)} ${value.toFixed(digits).padStart(9)} ${unit.padEnd(11)} ${ratio}${note}`);
}

/** A row that this machine cannot have. */
export function skipped(what, why) {
  console.log(`${what.padEnd(54)} skipped: ${why}`);
}

/** What the figures are figures of. */
export function machine() {
  const [{ model } = { model: 'unknown processor' }] = cpus();
  return {
    node: process.version,
    system: `${process.platform} ${process.arch} ${release()}`,
    processor: `${cpus().length} x ${model.trim()}`,
    memoryGb: Math.round(totalmem() / 2 ** 30),
  };
}

/** Reads an earlier table, with which this one is compared. */
export function compareWith(file) {
  const { rows: earlier } = JSON.parse(readFileSync(file, 'utf8'));
  before = new Map(earlier.map((one) => [`${one.part}: ${one.what}`, one.value]));
}

export function save(file) {
  writeFileSync(
    file,
    `${JSON.stringify({ machine: machine(), date: new Date().toISOString(), rows }, null, 1)}\n`,
  );
}

/**
 * Calls of `work` in a second of this thread's processor time: the best of several rounds, which other programs on the
 * machine disturb least.
 */
export function rate(work) {
  const start = performance.now();
  let calls = 0;
  do {
    work();
    calls++;
  } while (performance.now() - start < either(ROUND_MS, 1));
  let best = 0;
  for (let round = 0; round < either(ROUNDS, 1); round++) {
    const from = threadMs();
    for (let n = 0; n < calls; n++) work();
    best = Math.max(best, (1_000 * calls) / (threadMs() - from));
  }
  return best;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
