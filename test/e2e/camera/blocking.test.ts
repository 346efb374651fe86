/**
 * A camera that answers nothing while it makes a JPEG. Its frames cost no resynchronisation, and no request that finds
 * nothing, once the link has met its slowest answer.
 */
import { expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';

/** SHAPE, the body, the last byte. */
const REQUESTS_PER_FRAME = 3;
/** In which the link may still be learning. */
const FIRST_FRAMES = 3;

it.each([
  [30, 40],
  [90, 20],
  [200, 12],
  [700, 8],
])('%i ms a JPEG, %i frames', async (compressMs, frames) => {
  const bridge = await openBridge({ port: 'virtual', virtual: { compressMs }, shm: false, frames });
  const dropped: string[] = [];
  bridge.events$.subscribe((event) => {
    if (event.type === 'dropped') dropped.push(event.reason);
  });
  let learnt = { resyncs: 0, requests: 0, timeouts: 0 };
  let last = learnt;
  let delivered = 0;
  bridge.frames$.subscribe(() => {
    last = { ...bridge.camera.stats() };
    if (++delivered === FIRST_FRAMES) learnt = last;
  });
  await bridge.done;
  expect(delivered).toBe(frames);
  expect(dropped).toEqual([]);
  expect(learnt.resyncs).toBeLessThanOrEqual(2);
  expect(last.resyncs - learnt.resyncs).toBe(0);
  expect(last.timeouts - learnt.timeouts).toBe(0);
  const counted = frames - FIRST_FRAMES;
  // A busy machine may hold an event up until it has been asked for.
  expect(last.requests - learnt.requests).toBeLessThanOrEqual(counted * REQUESTS_PER_FRAME + 2);
});
