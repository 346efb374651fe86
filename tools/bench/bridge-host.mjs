/**
 * Bridges in a process of their own, so that their processor time can be told from that of cameras. The argument is JSON:
 * {inputs: one a camera, warmUpMs, durationMs, count: 'promises' or 'allocations' when those are counted as well, which
 * slows everything down}. Prints what was measured as JSON.
 */
import { createHook } from 'node:async_hooks';
import { Session } from 'node:inspector/promises';
import { measureBridges } from '../../dist/bench/index.js';
import { openBridges } from '../../dist/index.js';

const { inputs, warmUpMs, durationMs, count } = JSON.parse(process.argv[2]);
/** Bytes between two samples of the heap profiler. */
const SAMPLING = 4_096;

/** The camera in C writes the Unix time of the capture behind SOI, in microseconds: `capture 0000000001, time 0123...` */
const TIME_AT = 6 + 'capture 0000000001, time '.length;
const TIME_DIGITS = 16;
function capturedAtMs({ jpeg }) {
  if (jpeg[3] !== 0xfe || jpeg[6] !== 0x63 || jpeg[13] !== 0x20) return undefined;
  let us = 0;
  for (let i = TIME_AT; i < TIME_AT + TIME_DIGITS; i++) us = us * 10 + jpeg[i] - 0x30;
  return us / 1_000;
}

/** Objects with a life in time, by kind: promises, timers, ticks. */
const begun = {};
const hook = createHook({
  init: (_id, type) => {
    begun[type] = (begun[type] ?? 0) + 1;
  },
});
const session = new Session();
let allocated;

const bytesOf = ({ selfSize, children }) => selfSize + children.reduce((sum, one) => sum + bytesOf(one), 0);

const bridges = await openBridges(
  inputs.map((input, index) => ({
    shmName: `/openmv_bench_${process.pid}_${index}`,
    reconnect: false,
    ...input,
  })),
);
if (count === 'allocations') session.connect();
const measured = await measureBridges(bridges, {
  warmUpMs,
  durationMs,
  capturedAtMs,
  begins: () => {
    if (count === 'promises') hook.enable();
    if (count === 'allocations') {
      void session.post('HeapProfiler.startSampling', {
        samplingInterval: SAMPLING,
        includeObjectsCollectedByMajorGC: true,
        includeObjectsCollectedByMinorGC: true,
      });
    }
  },
  ends: () => {
    hook.disable();
    if (count === 'allocations') {
      allocated = session.post('HeapProfiler.stopSampling').then(({ profile }) => bytesOf(profile.head));
    }
  },
});
const { frames } = measured;
const each = Object.entries(begun).map(([type, number]) => [type, number / frames]);
const bytes = allocated === undefined ? undefined : (await allocated) / frames;
await Promise.all(bridges.map((bridge) => bridge.close()));
console.log(
  JSON.stringify({ ...measured, begunPerFrame: Object.fromEntries(each), allocatedPerFrame: bytes }),
);
