import { readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { liveness } from '../../../src/shm/memory/owner.js';
import { openViznReader } from '../../../src/shm/vizn/vizn-reader.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import {
  Child,
  compile,
  expectFailure,
  fixture,
  leftovers,
  pathOf,
  startNode,
  uniqueName,
  unshare,
} from './support.js';

const SIZE = 8_294_528;
const SMALL = 4096;

interface Opened {
  readonly pid?: number;
  readonly code?: string;
  readonly message?: string;
}

const jpeg = Uint8Array.of(1, 2, 3);
const frame = { jpeg, width: 1, height: 1, timestampMs: 1, sequence: 1 };

function writeSequence(name: string): number {
  return readFileSync(pathOf(name)).readUInt32LE(36);
}

test('the name of a living writer is refused, naming its process', async () => {
  const name = uniqueName();
  const child = startNode('writer.mjs', name, String(SMALL), 'hold');
  const { pid } = await child.json<Opened>();
  const before = statSync(pathOf(name)).ino;
  const error = expectFailure('SHM_IN_USE', () => openViznWriter({ name, size: SMALL }));
  expect(error.context['pid']).toBe(pid);
  expect(error.message).toContain(String(pid));
  expect(statSync(pathOf(name)).ino).toBe(before);
  await child.kill();
  openViznWriter({ name, size: SMALL }).close();
});

test('a second writer in the same process is refused as well', () => {
  const name = uniqueName();
  const first = openViznWriter({ name, size: SMALL });
  const error = expectFailure('SHM_IN_USE', () => openViznWriter({ name, size: SMALL }));
  expect(error.context['pid']).toBe(process.pid);
  first.close();
  openViznWriter({ name, size: SMALL }).close();
});

test('after a kill the name is taken over, and an old reader keeps its mapping', async () => {
  const name = uniqueName();
  const child = startNode('writer.mjs', name, String(SMALL), 'hold');
  await child.json<Opened>();
  const reader = openViznReader(name);
  while (reader.latest() === undefined) await new Promise((done) => setTimeout(done, 5));
  await child.kill();
  expect(reader.state()).toMatchObject({
    status: 'stale',
    ownerPid: child.pid,
    ownerAlive: false,
    writing: false,
  });
  expect(reader.latest()?.data).toEqual(new Uint8Array(1000).fill(7));

  const writer = openViznWriter({ name, size: SMALL });
  writer.write(frame);
  expect(reader.state().status).toBe('gone');
  expect(reader.latest()?.data).toEqual(new Uint8Array(1000).fill(7));
  const fresh = openViznReader(name);
  expect(fresh.latest()?.data).toEqual(jpeg);
  fresh.close();
  reader.close();
  writer.close();
  expect(leftovers()).toEqual([]);
});

test('a writer killed in the middle of a frame: no reader hangs, and a new writer starts cleanly', async () => {
  const name = uniqueName();
  // The writer copies 8 MB a time without a pause: most kills hit it in the middle of a frame.
  for (let kills = 0; ; kills++) {
    expect(kills).toBeLessThan(50);
    const child = startNode('writer.mjs', name, String(SIZE), 'hammer');
    await child.json<Opened>();
    await new Promise((done) => setTimeout(done, 50));
    await child.kill();
    if (writeSequence(name) % 2 === 1) break;
  }
  const reader = openViznReader(name);
  expect(reader.latest()).toBeUndefined();
  expect(reader.state()).toMatchObject({
    status: 'stale',
    ownerAlive: false,
    writing: true,
    sequence: undefined,
  });

  // A reader that knows nothing of owners waits for the frame to be finished.
  const waiting = new Child(compile('reader.cpp'), [name, String(SIZE), 'once']);
  expect(await waiting.line()).toBe('ready');
  expect(waiting.process.exitCode).toBeNull();

  const writer = openViznWriter({ name, size: SMALL });
  expect(await waiting.line()).toBe('nothing');
  expect(await waiting.exited).toBe(0);
  expect(reader.latest()).toBeUndefined();
  expect(reader.state()).toMatchObject({ status: 'gone', writing: false });
  reader.close();

  expect(writeSequence(name)).toBe(0);
  writer.write(frame);
  const fresh = openViznReader(name);
  expect(fresh.latest()).toMatchObject({ data: jpeg, sequence: 1 });
  fresh.close();
  writer.close();
});

test('of many that want a leftover at the same moment, exactly one gets it', {
  timeout: 120_000,
}, async () => {
  const name = uniqueName();
  for (let round = 0; round < 4; round++) {
    const dead = startNode('writer.mjs', name, String(SMALL), 'hold');
    await dead.json<Opened>();
    await dead.kill();
    const contenders = Array.from({ length: 5 }, () => startNode('writer.mjs', name, String(SMALL), 'gate'));
    for (const contender of contenders) expect(await contender.line()).toBe('waiting');
    for (const contender of contenders) contender.say('go');
    const results = await Promise.all(contenders.map((contender) => contender.json<Opened>()));
    const winners = results.filter((result) => result.pid !== undefined);
    expect(winners).toHaveLength(1);
    const losers = results.filter((result) => result.pid === undefined);
    expect(losers.map((loser) => loser.code)).toEqual(new Array(4).fill('SHM_IN_USE'));
    expect(readFileSync(pathOf(name)).readUInt32LE(60)).toBe(winners[0]?.pid);
    for (const contender of contenders) await contender.kill();
  }
  openViznWriter({ name, size: SMALL }).close();
});

test('process.exit() leaves nothing behind', async () => {
  const name = uniqueName();
  const child = startNode('writer.mjs', name, String(SMALL), 'exit');
  await child.json<Opened>();
  expect(await child.exited).toBe(0);
  expect(leftovers()).toEqual([]);
});

test.skipIf(unshare === undefined)(
  'a writer in another container is not taken for dead (needs the right to make namespaces)',
  async () => {
    const name = uniqueName();
    const flags = [...unshare!, '--pid', '--fork', '--mount-proc', '--kill-child'];
    const child = new Child('unshare', [
      ...flags,
      process.execPath,
      fixture('writer.mjs'),
      name,
      String(SMALL),
      'hold',
    ]);
    const { pid } = await child.json<Opened>();
    // A pid of over there: here it means another process, or none.
    expect(pid).toBeLessThan(100);
    const reader = openViznReader(name);
    expect(reader.state()).toMatchObject({ ownerPid: pid, ownerAlive: undefined });
    const error = expectFailure('SHM_IN_USE', () => openViznWriter({ name, size: SMALL }));
    expect(error.message).toContain('another container');
    await child.kill();
    // The kernel lets go of its lock with its last process, a moment after the one that we started.
    let writer: ReturnType<typeof openViznWriter> | undefined;
    await expect
      .poll(() => {
        writer ??= openViznWriter({ name, size: SMALL });
        return reader.state().status;
      })
      .toBe('gone');
    writer?.close();
    reader.close();
  },
);

test('liveness: this process, a start time that is not its, a dead pid, a zombie', async () => {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const startTime = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  expect(liveness({ pid: process.pid, startTime })).toBe('alive');
  expect(liveness({ pid: process.pid, startTime: startTime - 1 })).toBe('dead');
  expect(liveness({ pid: process.pid, startTime: 0 })).toBe('alive');
  expect(liveness({ pid: process.pid, startTime, pidNamespace: 1 })).toBe('unknown');
  for (const pid of [0, -1, 2 ** 32 - 1, 1.5, Number.NaN]) expect(liveness({ pid, startTime })).toBe('dead');

  // A program that never reaps its child.
  const fork =
    'import os, time; child = os.fork(); child or os._exit(0); print(child, flush=True); time.sleep(60)';
  const parent = new Child('python3', ['-c', fork]);
  const zombie = Number(await parent.line());
  const field = () => readFileSync(`/proc/${zombie}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  await expect.poll(() => field()[0]).toBe('Z');
  expect(liveness({ pid: zombie, startTime: Number(field()[19]) })).toBe('dead');
});
