/** Acks on, one packet in a hundred lost: a loss costs tenths of a second, not seconds. */
import { expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';

it('300 frames over a line that drops 1 % of all packets', async () => {
  const frames = 300;
  const virtual = { fps: 'max', faults: 'drop=1%,seed=7' } as const;
  const bridge = await openBridge({ port: 'virtual', ack: 'on', virtual, shm: false, frames });
  const dropped: string[] = [];
  bridge.events$.subscribe((event) => {
    if (event.type === 'dropped') dropped.push(event.reason);
  });
  let missing = 0;
  bridge.frames$.subscribe(() => {
    missing = bridge.camera.stats().timeouts;
  });
  await bridge.done;
  expect(bridge.stats().delivered).toBe(frames);
  expect(dropped).toEqual([]);
  // Packets were lost, or this shows nothing.
  expect(missing).toBeGreaterThan(50);
});
