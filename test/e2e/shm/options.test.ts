/** The bridge's options for shared memory: names that collide, and permissions that no one should give. */
import { rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createBridge } from '../../../src/bridge/open-bridge.js';
import { openArrayWriter } from '../../../src/shm/arrays/array-writer.js';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { run } from '../program/program.js';
import { expectFailure, leftovers, pathOf, uniqueName } from './support.js';

test.each([
  [(name: string) => ({ shmName: name, ring: name.slice(1) }), 'ring and shmName'],
  [(name: string) => ({ shmName: `${name}_image_shm`, arrays: name.slice(1) }), 'arrays and shmName'],
  [(name: string) => ({ shm: false, ring: `${name}_image_shm`, arrays: name.slice(1) }), 'arrays and ring'],
])('two options for one segment are told apart by name: %#', async (options, said) => {
  const bridge = createBridge({ port: 'virtual', ...options(uniqueName()) });
  await expect(bridge.open()).rejects.toMatchObject({
    code: 'OPTION_INVALID',
    message: expect.stringContaining(said),
  });
  expect(leftovers()).toEqual([]);
});

test('a name that is taken is told with what to do', () => {
  const name = uniqueName();
  writeFileSync(pathOf(name), new Uint8Array(4_096).fill(1));
  const ring = expectFailure('SHM_IN_USE', () => openRingWriter({ name }));
  const vizn = expectFailure('SHM_IN_USE', () => openViznWriter({ name }));
  expect([ring.message, vizn.message]).toEqual([
    expect.stringContaining('choose another name'),
    expect.stringContaining('choose another name'),
  ]);
  rmSync(pathOf(name));
  const base = uniqueName().slice(1);
  writeFileSync(pathOf(`/${base}_image_shm`), new Uint8Array(4_096).fill(1));
  const arrays = openArrayWriter({ base });
  expect(expectFailure('SHM_IN_USE', () => arrays.check('image')).message).toContain('choose another name');
  rmSync(pathOf(`/${base}_image_shm`));
});

test('that everybody may write is warned of, once', async () => {
  const args = ['--port', 'virtual', '--frames', '1', '--shm-name', uniqueName(), '--shm-mode'];
  const open = await run([...args, '0666']);
  expect(open.status).toBe(0);
  expect(open.stderr.match(/every user may write/g)).toHaveLength(1);
  const closed = await run([...args, '0660']);
  expect(closed.status).toBe(0);
  expect(closed.stderr).not.toContain('may write');
});
