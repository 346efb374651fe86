/** A full /dev/shm that has room again later: an opening that fails leaves nothing, and the next one succeeds. */
import { expect, test } from 'vitest';
import { Child, fixture, unshare } from './support.js';

test.skipIf(unshare === undefined).each([
  ['bytes', 'size=1m'],
  ['files', 'size=1m,nr_inodes=40'],
])('no %s, and then some (needs the right to mount a small /dev/shm)', async (what, options) => {
  const script = `mount -t tmpfs -o ${options} tmpfs /dev/shm && exec "$@"`;
  const command = ['sh', '-c', script, 'sh', process.execPath, fixture('room.mjs'), what];
  const child = new Child('unshare', [...unshare!, ...command]);
  const all = (said: string) => ({ vizn: said, ring: said, arrays: said, images: said });
  expect(await child.json()).toEqual({
    full: all('SHM_FULL'),
    left: [],
    freed: all('opened'),
    read: [5, 5, 5],
    end: [],
  });
  expect(await child.exited).toBe(0);
});
