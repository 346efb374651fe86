/** What a bridge keeps of a frame when it has its outcome: nothing. */
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';

const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));
/** Until then functions are compiled and caches filled. */
const WARM_UP = 3_000;
const FRAMES = 4_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that this thread holds; the virtual camera has a thread of its own. */
function held(): number {
  // V8 forgets the code of functions that no one has called for a few collections: here the test runner's.
  for (let count = 0; count < 12; count++) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

it(`memory is the same after ${FRAMES} frames with results, outcomes and a ring`, {
  timeout: 240_000,
}, async () => {
  await using bridge = await openBridge({
    port: 'virtual',
    virtual: { fps: 'max' },
    shmName: `/openmv_test_memory_${process.pid}`,
    ring: `/openmv_test_memory_ring_${process.pid}`,
    runner: [process.execPath, PACED, '1'],
    delivery: 'every',
  });
  let outcomes = 0;
  bridge.outcomes$.subscribe(() => outcomes++);
  bridge.results$.subscribe(() => {});
  bridge.events$.subscribe(() => {});
  bridge.stats$.subscribe(() => {});
  let before = 0;
  for await (const { sequence } of bridge.frames()) {
    if (sequence === WARM_UP) before = held();
    if (sequence === WARM_UP + FRAMES) break;
  }
  // A frame has 24,000 bytes, its outcome some hundred.
  expect((held() - before) / FRAMES).toBeLessThan(150);
  expect(outcomes).toBeGreaterThan(FRAMES);
});
