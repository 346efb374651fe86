import { readFileSync } from 'node:fs';
import type { ChildEnd } from './child-group.js';

export interface ExitFacts {
  readonly command: readonly string[];
  readonly end: ChildEnd;
  /** Last lines of its stderr. */
  readonly stderr: readonly string[];
  /** The last error it reported for itself, such as a failed import. */
  readonly reported: string | undefined;
  /** Whether it has said hello. */
  readonly greeted: boolean;
  /** What it wrote to stdout last, if that is no whole message. */
  readonly unfinished: Uint8Array;
  /** Calls that it has answered. */
  readonly answered: number;
  /** The kernel killed processes for want of memory while it ran. */
  readonly oomKills: boolean;
}

/**
 * Why an adapter ended that nobody had told to:
 * - `import-failed`: a module, a model or a library is missing; it never answered a call;
 * - `out-of-memory`: killed by the kernel, or an allocation failed;
 * - `exception`: an exception that nobody caught;
 * - `signal`: ended from outside, or crashed in native code;
 * - `ended-itself`: exit status 0, as of adapters that could not read a message, or algorithms that end the program;
 * - `exit-status`: another status without a word.
 */
export type ExitReason =
  | 'import-failed'
  | 'out-of-memory'
  | 'exception'
  | 'signal'
  | 'ended-itself'
  | 'exit-status';

const OUT_OF_MEMORY =
  /MemoryError|out of memory|std::bad_alloc|Cannot allocate memory|allocation failed - JavaScript heap/i;
const IMPORT_FAILED =
  /ModuleNotFoundError|ImportError|ERR_MODULE_NOT_FOUND|Cannot find (?:module|package)|No module named|cannot open shared object file/;
const EXCEPTION = /^Traceback \(|^\s+at .+:\d+:\d+\)?$|^[\w.]*(?:Error|Exception)\b/m;
/** 128 + SIGKILL, as a shell between us and the adapter reports it. */
const SHELL_KILLED = 137;

/** Tells the reasons apart, by how it ended and what it said last. */
export function exitReason({
  end,
  stderr,
  reported,
  answered,
  oomKills,
}: Omit<ExitFacts, 'greeted' | 'unfinished'>): ExitReason {
  const said = [...stderr, reported ?? ''].join('\n');
  const killed = end.signal === 'SIGKILL' || end.code === SHELL_KILLED;
  if (OUT_OF_MEMORY.test(said) || (killed && oomKills)) return 'out-of-memory';
  if (end.signal !== null) return 'signal';
  if (answered === 0 && IMPORT_FAILED.test(said)) return 'import-failed';
  // Reported for the adapter as a whole, before its first call: it could not be set up.
  if (answered === 0 && reported !== undefined) return 'import-failed';
  if (end.code === 0) return 'ended-itself';
  return EXCEPTION.test(said) ? 'exception' : 'exit-status';
}

/** How often the kernel has killed for want of memory since it was started; 0 where it does not tell. */
export function oomKillCount(): number {
  if (process.platform !== 'linux') return 0;
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
