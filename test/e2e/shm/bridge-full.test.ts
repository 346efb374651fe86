/** A bridge in a small /dev/shm goes on without the layout that does not fit. */
import { expect, test } from 'vitest';
import { MAIN } from '../program/program.js';
import { Child, unshare } from './support.js';

interface Line {
  readonly type: string;
  readonly code?: string;
  readonly message?: string;
  readonly sequence?: number;
  readonly sharedMemId?: string;
}

const SMALL_SHM = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"';

test.skipIf(unshare === undefined).each([
  ['the ring', ['--shm-name', '/a', '--shm-size', '200K', '--ring', '/b'], '/b', '/a'],
  [
    'the latest frame',
    ['--shm-name', '/a', '--ring', '/b', '--ring-slots', '4', '--ring-slot-size', '100K'],
    '/a',
    '/b',
  ],
  ['decoded arrays', ['--shm-name', '/a', '--shm-size', '900K', '--arrays', 'c'], '/c_image_shm', '/a'],
] as const)('without %s (needs the right to mount a small one)', async (_, args, full, kept) => {
  const bridge = ['--port', 'virtual', '--json', '--frames', '40', ...args];
  const command = ['sh', '-c', SMALL_SHM, 'sh', process.execPath, MAIN, ...bridge];
  const child = new Child('unshare', [...unshare!, ...command]);
  const errors: Line[] = [];
  const frames: Line[] = [];
  while (frames.length < 40) {
    const line = await child.json<Line>();
    if (line.type === 'error') errors.push(line);
    if (line.type === 'frame') frames.push(line);
  }
  expect(await child.exited).toBe(0);
  // Told once, not with every frame.
  expect(errors.map(({ code }) => code)).toEqual(['SHM_FULL']);
  expect(errors[0]!.message).toContain(full);
  expect(new Set(frames.map(({ sharedMemId }) => sharedMemId))).toEqual(new Set([kept]));
});
