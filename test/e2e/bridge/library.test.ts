/** The library as programs use it: several cameras at once, and subscribers that throw. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filter, map } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { createBridge, openBridges } from '../../../src/bridge/open-bridge.js';

const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));
const open: Bridge[] = [];
afterEach(async () => {
  for (const bridge of open.splice(0)) await bridge.close();
});

const virtual = (id: number, frames = 10) => ({
  port: 'virtual',
  shm: false,
  frames,
  virtual: { id, fps: 200 },
});

describe('openBridges', () => {
  it('opens several cameras as one run', async () => {
    const bridges = await openBridges([virtual(1), virtual(2)]);
    open.push(...bridges);
    expect(new Set(bridges.map(({ runId }) => runId)).size).toBe(1);
    expect(new Set(bridges.map(({ cameraId }) => cameraId)).size).toBe(2);
    for (const bridge of bridges) bridge.frames$.subscribe();
    await Promise.all(bridges.map(({ done }) => done));
    expect(bridges.map((bridge) => bridge.stats().delivered)).toEqual([10, 10]);
  });

  it('gives each camera a segment of its own', async () => {
    const bridges = await openBridges([virtual(1), virtual(2), { ...virtual(3), shmName: '/own' }]);
    open.push(...bridges);
    const names = bridges.map(({ options }) => options.shmName);
    expect(names).toEqual(['/openmv_frame', '/openmv_frame_2', '/own']);
  });

  it('opens none when one cannot be opened', async () => {
    const opening = openBridges([virtual(1), { port: '/dev/does-not-exist' }]);
    await expect(opening).rejects.toMatchObject({ code: 'PORT_NOT_FOUND' });
  });
});

describe('sharedMemId', () => {
  it('is announced when the image file it names is there', async () => {
    const imageDir = mkdtempSync(join(tmpdir(), 'openmv-library-'));
    const runner = [process.execPath, PACED, '1'];
    const bridge = createBridge({ ...virtual(1, 20), delivery: 'every', imageDir, runner });
    open.push(bridge);
    const there: boolean[] = [];
    bridge.frames$.subscribe(({ sharedMemId, jpeg }) => {
      there.push(statSync(join(imageDir, `${sharedMemId}.bin`)).size === jpeg.length);
    });
    await bridge.start();
    await bridge.done;
    rmSync(imageDir, { recursive: true });
    expect(there).toEqual(Array.from({ length: 20 }, () => true));
  });
});

describe('an exception in a subscriber', () => {
  it('is told as an event, and ends neither its own camera nor another', async () => {
    const bridges = [createBridge(virtual(1)), createBridge(virtual(2))];
    open.push(...bridges);
    const [bad, good] = bridges as [Bridge, Bridge];
    const told: string[] = [];
    bad.events$.subscribe((event) => event.type === 'error' && told.push(event.error.code));
    let frames = 0;
    bad.frames$.subscribe(() => {
      frames++;
      throw new Error('in next');
    });
    bad.frames$
      .pipe(
        filter(({ sequence }) => sequence === 2),
        map(({ jpeg }) => jpeg.length),
      )
      .subscribe({
        next: () => {
          throw new Error('behind operators');
        },
      });
    await Promise.all(bridges.map((bridge) => bridge.start()));
    await Promise.all(bridges.map(({ done }) => done));
    expect(frames).toBe(10);
    expect(told).toEqual(Array.from({ length: 11 }, () => 'SUBSCRIBER_FAILED'));
    expect([bad, good].map((bridge) => bridge.stats().delivered)).toEqual([10, 10]);
  });

  it('is a warning of the process where no one listens to events', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', listen);
    const bridge = createBridge(virtual(1, 1));
    open.push(bridge);
    bridge.frames$.subscribe(() => {
      throw new Error('unheard');
    });
    await bridge.start();
    await bridge.done;
    await expect.poll(() => warnings.join()).toContain('unheard');
    process.off('warning', listen);
  });

  it('in a subscriber of events does not come back to it for ever', async () => {
    const bridge = createBridge(virtual(1, 2));
    open.push(bridge);
    let events = 0;
    bridge.events$.subscribe(() => {
      events++;
      throw new Error('in an event');
    });
    await bridge.start();
    await bridge.done;
    expect(events).toBeGreaterThan(0);
    expect(events).toBeLessThan(10);
  });
});
