/** `connectCamera` on a recording, without a bridge: who the camera was, and nothing stays open. */
import { readdirSync, readlinkSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { connectCamera } from '../../../src/camera/index.js';
import { run } from '../program/program.js';
import { useScratch } from '../program/support.js';

const scratch = useScratch();
const LINE = 'line.mcap';
const FRAMES = 'frames.mcap';

beforeAll(async () => {
  for (const [name, ...more] of [[LINE, '--record-wire'], [FRAMES]] as const) {
    const words = [
      '--port',
      'virtual',
      '--no-shm',
      '--frames',
      '12',
      '--record',
      scratch.path(name),
      ...more,
    ];
    const { status, stderr } = await run(words);
    expect(status, stderr).toBe(0);
  }
});

/** How many descriptors of this process are of that file. */
function descriptors(path: string): number {
  const targets = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      // That of the listing itself.
      return '';
    }
  });
  return targets.filter((target) => target === path).length;
}

it.each([LINE, FRAMES])('%s is open while the camera is, and closed with it', async (name) => {
  const path = scratch.path(name);
  for (let round = 0; round < 3; round++) {
    const camera = await connectCamera({ port: `replay:${path}` });
    expect(camera.info().version.firmware).toHaveLength(3);
    expect(descriptors(path)).toBe(1);
    await camera.close();
    await camera.close();
    await expect.poll(() => descriptors(path), { timeout: 20_000 }).toBe(0);
  }
});

it.each([LINE, FRAMES])('%s: a connection that is given up leaves nothing open', async (name) => {
  const path = scratch.path(name);
  for (const ms of [0, 1, 3, 10]) {
    const signal = AbortSignal.timeout(ms);
    const camera = await connectCamera({ port: `replay:${path}`, signal }).catch((error: unknown) => {
      expect(error).toBe(signal.reason);
    });
    // It may have been faster than the signal.
    await camera?.close();
    await expect.poll(() => descriptors(path), { timeout: 20_000 }).toBe(0);
  }
});

it('a recording with neither, and no recording, are refused and closed', async () => {
  const path = new URL(import.meta.url).pathname;
  await expect(connectCamera({ port: `replay:${path}` })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  await expect.poll(() => descriptors(path), { timeout: 20_000 }).toBe(0);
  const none = connectCamera({ port: `replay:${scratch.path('none.mcap')}` });
  await expect(none).rejects.toMatchObject({ code: 'FILE_FAILED' });
});
