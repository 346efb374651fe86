/** Processor time and memory of this process, and of others where the system tells (Linux). */
import { readFileSync } from 'node:fs';

export interface Usage {
  /** Share of a core since the last look: 1 is one core. null: not known yet. */
  readonly cpu: number | null;
  readonly memoryBytes: number;
}

/** /proc counts processor time in these, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Of processes that an adapter starts, these many at most are looked at. */
const MOST_CHILDREN = 64;

interface Figures {
  readonly seconds: number;
  readonly memoryBytes: number;
}

/** Compares two looks. */
export class UsageMeter {
  readonly #look: () => Figures | undefined;
  #last: { readonly seconds: number; readonly at: number } | undefined;

  constructor(look: () => Figures | undefined) {
    this.#look = look;
  }

  /** undefined: there is nothing to look at. */
  take(): Usage | undefined {
    const figures = this.#look();
    const at = performance.now() / 1_000;
    const last = this.#last;
    this.#last = figures && { seconds: figures.seconds, at };
    if (!figures) return undefined;
    // One that has started again has less than before.
    const known = last && at > last.at && figures.seconds >= last.seconds;
    const cpu = known ? (figures.seconds - last.seconds) / (at - last.at) : null;
    return { cpu, memoryBytes: figures.memoryBytes };
  }
}

export const ownUsage = (): UsageMeter =>
  new UsageMeter(() => {
    const { user, system } = process.cpuUsage();
    return { seconds: (user + system) / 1e6, memoryBytes: process.memoryUsage.rss() };
  });

/** Of some processes and those that they have started. */
export const usageOf = (pids: () => readonly number[]): UsageMeter =>
  new UsageMeter(() => {
    const all = withChildren(pids());
    const found = all.flatMap((pid) => figuresOf(pid) ?? []);
    if (found.length === 0) return undefined;
    return found.reduce((sum, one) => ({
      seconds: sum.seconds + one.seconds,
      memoryBytes: sum.memoryBytes + one.memoryBytes,
    }));
  });

function withChildren(pids: readonly number[]): number[] {
  const all = [...pids];
  for (let at = 0; at < all.length && all.length < MOST_CHILDREN; at++) {
    const children = read(`/proc/${all[at]}/task/${all[at]}/children`)?.trim();
    if (children) all.push(...children.split(' ').map(Number));
  }
  return all;
}

function figuresOf(pid: number): Figures | undefined {
  // The name in parentheses may have anything in it.
  const stat = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  const rss = /^VmRSS:\s*(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  if (!stat || rss === undefined) return undefined;
  return {
    seconds: (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND,
    memoryBytes: Number(rss) * 1_024,
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
