import { expect, test } from 'vitest';
import { Child, fixture, leftovers, uniqueName } from './support.js';

test('a process that runs out of descriptors at any point gets a BridgeError, and leaves nothing behind', async () => {
  const command = [
    'ulimit -n 64; exec "$@"',
    'sh',
    process.execPath,
    fixture('descriptors.mjs'),
    uniqueName(),
  ];
  const child = new Child('sh', ['-c', ...command]);
  const { foreign, failed, done } = await child.json<{ foreign: string[]; failed: number; done: number }>();
  expect(foreign).toEqual([]);
  expect(failed).toBeGreaterThan(3);
  expect(done).toBeGreaterThan(5);
  expect(await child.exited).toBe(0);
  expect(leftovers()).toEqual([]);
});
