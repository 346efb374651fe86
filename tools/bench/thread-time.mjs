/**
 * Processor time of this thread in milliseconds: what work takes however busy the machine is. The time of day where it
 * cannot be had.
 */
import koffi from 'koffi';

const CLOCK_THREAD_CPUTIME_ID = 3;

function threadClock() {
  const clock = koffi.load('libc.so.6').func('int clock_gettime(int clock, void *time)');
  const time = new BigInt64Array(2);
  return () => {
    clock(CLOCK_THREAD_CPUTIME_ID, time);
    return Number(time[0]) * 1_000 + Number(time[1]) / 1e6;
  };
}

export const threadMs = process.platform === 'linux' ? threadClock() : () => performance.now();
