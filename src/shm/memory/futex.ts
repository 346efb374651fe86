/**
 * Sleeping on a word of shared memory until another process raises it (futex(2)). The word is found by its file and
 * its place in it, so a reader may wait on a read-only mapping, and any process may wake it.
 */
import { constants } from 'node:os';
import { library } from './posix.js';

export interface Futex {
  /** Wakes everyone who waits on the word at `address`. */
  wake(address: number): void;
  /**
   * Blocks this thread while the word at `address` is `value`, for `timeoutMs` at most. `false`: the time is up.
   * `true`: it was woken, or the word differs; it may also be for no reason, so look at the word.
   */
  wait(address: number, value: number, timeoutMs: number): boolean;
}

/** Number of the system call, by `process.arch`; 64-bit machines only: others have another struct timespec. */
const SYSCALL: Readonly<Record<string, number>> = {
  x64: 202,
  arm64: 98,
  riscv64: 98,
  loong64: 98,
  ppc64: 221,
  s390x: 238,
};
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const EVERYONE = 0x7fffffff;
const NS_PER_MS = 1e6;
const MS_PER_S = 1_000;

function bind(): Futex | undefined {
  const number = SYSCALL[process.arch];
  if (number === undefined) return undefined;
  const { koffi, libc } = library();
  const { ETIMEDOUT } = constants.errno;
  let call: (...args: [number, number, number, number, BigInt64Array | null, number, number]) => number;
  try {
    call = libc.func(
      'long syscall(long number, uintptr_t address, int operation, int value, void *timeout, uintptr_t other, int last)',
    );
  } catch {
    return undefined;
  }
  return {
    wake: (address) => {
      call(number, address, FUTEX_WAKE, EVERYONE, null, 0, 0);
    },
    wait(address, value, timeoutMs) {
      const whole = Math.floor(timeoutMs / MS_PER_S);
      const rest = Math.round((timeoutMs - whole * MS_PER_S) * NS_PER_MS);
      const timeout = new BigInt64Array([BigInt(whole), BigInt(rest)]);
      return call(number, address, FUTEX_WAIT, value | 0, timeout, 0, 0) === 0 || koffi.errno() !== ETIMEDOUT;
    },
  };
}

let bound: Futex | undefined;
let known = false;

/** Undefined where the machine has none that we know: then readers look again and again. */
export function futex(): Futex | undefined {
  if (!known) {
    bound = bind();
    known = true;
  }
  return bound;
}
