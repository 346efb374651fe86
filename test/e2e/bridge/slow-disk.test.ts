/** Frames that are saved by their outcome wait for a slow disk at the camera, not in memory. */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { SavedFiles } from '../../../src/pictures/saved-files.js';

const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));
const DISK_MS = 100;

afterEach(() => {
  vi.restoreAllMocks();
});

it('NG frames of a fast camera do not pile up before a slow disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'openmv-slow-disk-'));
  const save = SavedFiles.prototype.save;
  let waiting = 0;
  let most = 0;
  vi.spyOn(SavedFiles.prototype, 'save').mockImplementation(async function (this: SavedFiles, ...frame) {
    most = Math.max(most, ++waiting);
    await pause(DISK_MS);
    waiting--;
    return save.apply(this, frame);
  });
  const bridge = await openBridge({
    port: 'virtual',
    virtual: { fps: 'max' },
    shm: false,
    save: folder,
    saveWhen: 'ng',
    runner: [process.execPath, PACED, '0', 'odd-ng'],
    delivery: 'every',
    frames: 60,
  });
  await bridge.start();
  await bridge.done;
  expect(readdirSync(folder)).toHaveLength(30);
  // Room is asked for when a frame is announced: the results of the frames under way come behind that.
  expect(most).toBeLessThan(4);
  await rm(folder, { recursive: true });
});
