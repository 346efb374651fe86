/** A host that asks at every moment must not get between a capture and the script's reading of its results. */
import { expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';

it('frames are whole while the host asks for the shape all the time', async () => {
  const bridge = await openBridge({ port: 'virtual', virtual: { fps: 'max' }, shm: false, frames: 4_000 });
  const dropped: string[] = [];
  bridge.events$.subscribe((event) => {
    if (event.type === 'dropped') dropped.push(event.reason);
  });
  const channel = bridge.camera.channel('frame');
  const asking = (async () => {
    while (bridge.camera.connected) await channel.shape().catch(() => undefined);
  })();
  await bridge.start();
  await bridge.done;
  await asking;
  expect(bridge.stats().delivered).toBe(4_000);
  expect(dropped).toEqual([]);
});
