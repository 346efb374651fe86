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

test.each([
  ['SHM_IN_USE', ['--shm-name', 'TAKEN'], '--shm-name', 2],
  ['SHM_IN_USE', ['--no-shm', '--ring', 'TAKEN'], '--ring', 2],
  ['SHM_IN_USE', ['--no-shm', '--arrays', 'TAKEN'], '--arrays', 2],
  ['SHM_TOO_SMALL', ['--shm-name', 'FREE', '--shm-size', '4K'], '--shm-size', 0],
  ['SHM_TOO_SMALL', ['--no-shm', '--ring', 'FREE', '--ring-slot-size', '1K'], '--ring-slot-size', 0],
  ['OPTION_INVALID', ['--shm-name', 'FREE', '--ring', 'FREE'], '--shm-name, --ring', 2],
  ['OPTION_INVALID', ['--no-shm', '--save', 'x', '--save-when', 'ng'], '--save-when, --runner', 2],
] as const)('%s names the flag to change: %j', async (code, args, flags, status) => {
  const [taken, free] = [uniqueName(), uniqueName()];
  const base = taken.slice(1);
  for (const name of [taken, `/${base}_image_shm`])
    writeFileSync(pathOf(name), new Uint8Array(4_096).fill(1));
  const given = args.map((arg) =>
    arg === 'TAKEN' ? (args.some((one) => one === '--arrays') ? base : taken) : arg.replace('FREE', free),
  );
  const ended = await run(['--port', 'virtual', '--frames', '2', '--json', ...given]);
  for (const name of [taken, `/${base}_image_shm`]) rmSync(pathOf(name));
  expect(ended.status).toBe(status);
  expect(ended.stderr).toContain(`(${flags}) [${code}]`);
  // Programs read the same.
  const line = ended.stdout.split('\n').find((one) => one.includes(code)) ?? '{}';
  expect((JSON.parse(line) as { message: string }).message).toContain(`(${flags})`);
  // The library does not know flags.
  expect(ended.stderr.match(new RegExp(flags, 'g'))).toHaveLength(1);
});
