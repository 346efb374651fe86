import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom, take, toArray } from 'rxjs';

import { expect, test } from 'vitest';
import { openShm, type ShmReader } from '../../../src/shm/open-shm.js';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { atEnd, closing, expectFailure, pathOf, startNode, uniqueName } from '../../e2e/shm/support.js';

const frame = (n: number) => ({
  jpeg: new Uint8Array(100).fill(n),
  width: n,
  height: 1,
  timestampMs: Date.now(),
  sequence: n,
});

async function numbers(shm: ShmReader, count: number): Promise<number[]> {
  const seen = [];
  for await (const { sequence, data } of shm.frames()) {
    expect(data).toEqual(new Uint8Array(100).fill(sequence));
    seen.push(sequence);
    if (seen.length === count) break;
  }
  return seen;
}

const threads = (): number => readdirSync('/proc/self/task').length;
const descriptors = (): number => readdirSync('/proc/self/fd').length;

test('every frame of a ring comes, and readers sleep in between: no processor time, and the event loop is free', async () => {
  const name = uniqueName();
  const writer = closing(openRingWriter({ name, slots: 64, slotSize: 1_000 }));
  const shm = closing(openShm(name));
  expect(shm).toMatchObject({ name, layout: 'ring' });
  const reading = Promise.all([numbers(shm, 30), numbers(shm, 30)]);
  for (let n = 1; n <= 15; n++) {
    writer.write(frame(n));
    await sleep(5);
  }
  // The threads have started by now.
  const before = process.cpuUsage();
  const idle = performance.eventLoopUtilization();
  await sleep(1_000);
  const { user, system } = process.cpuUsage(before);
  expect(performance.eventLoopUtilization(idle).utilization).toBeLessThan(0.3);
  expect((user + system) / 1e6).toBeLessThan(0.5);
  for (let n = 16; n <= 30; n++) {
    writer.write(frame(n));
    await sleep(5);
  }
  const all = Array.from({ length: 30 }, (_, index) => index + 1);
  expect(await reading).toEqual([all, all]);
});

test('of a VIZN segment the newest comes, with what was missed', async () => {
  const name = uniqueName();
  const writer = closing(openViznWriter({ name, size: 4_096 }));
  const shm = closing(openShm(name));
  expect(shm.latest()).toBeUndefined();
  const frames = shm.frames();
  const first = frames.next();
  await sleep(20);
  writer.write(frame(1));
  expect((await first).value).toMatchObject({ sequence: 1, missed: 0, format: 'MJPG', width: 1 });
  for (let n = 2; n <= 6; n++) writer.write(frame(n));
  expect((await frames.next()).value).toMatchObject({ sequence: 6, missed: 4 });
  expect(shm.latest()?.jpeg).toEqual(new Uint8Array(100).fill(6));
  expect(shm.state()).toMatchObject({ status: 'live', ownerPid: process.pid });
  await frames.return();
});

test('it follows from one writer to the next, also over a kill', { timeout: 60_000 }, async () => {
  const name = uniqueName();
  let child = startNode('writer.mjs', name, '4096', 'hold');
  await child.json();
  const shm = closing(openShm(name));
  const frames = shm.frames();
  for (let life = 0; life < 2; life++) {
    expect((await frames.next()).value).toMatchObject({ sequence: 1, width: 640 });
    const next = frames.next();
    await child.kill();
    child = startNode('writer.mjs', name, '4096', 'hold');
    await child.json();
    expect((await next).value).toMatchObject({ sequence: 1 });
    await child.kill();
    child = startNode('writer.mjs', name, '4096', 'hold');
    await child.json();
  }
  await frames.return();
  await child.kill();
  openViznWriter({ name, size: 4_096 }).close();
});

test('without follow it ends with its writer: closed, or killed', { timeout: 60_000 }, async () => {
  const name = uniqueName();
  const writer = openRingWriter({ name, slotSize: 1_000 });
  writer.write(frame(1));
  const shm = closing(openShm(name));
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { sequence } of shm.frames({ follow: false })) seen.push(sequence);
  })();
  await sleep(50);
  writer.write(frame(2));
  writer.close();
  await reading;
  expect(seen).toEqual([1, 2]);

  const other = uniqueName();
  const child = startNode('writer.mjs', other, '4096', 'hold');
  await child.json();
  const second = closing(openShm(other));
  const frames = second.frames({ follow: false });
  expect((await frames.next()).value).toMatchObject({ sequence: 1 });
  const end = frames.next();
  await child.kill();
  expect(await end).toMatchObject({ done: true });
  expect(second.state().status).toBe('stale');
  openViznWriter({ name: other, size: 4_096 }).close();
});

test('a writer that ends between opening and reading: without follow it is the end, else the next one is awaited', async () => {
  const name = uniqueName();
  const writer = openRingWriter({ name, slotSize: 1_000 });
  writer.write(frame(1));
  const shm = closing(openShm(name));
  writer.close();
  expect(await shm.frames({ follow: false }).next()).toMatchObject({ done: true });
  expect(await shm.inPlace(Boolean, { follow: false }).next()).toMatchObject({ done: true });
  const [all, fresh] = [shm.frames(), shm.frames({ existing: false })];
  const inPlace = shm.inPlace(({ sequence, missed }) => ({ sequence, missed }));
  const firsts = [all.next(), fresh.next()];
  const placed = inPlace.next();
  const stop = new AbortController();
  const stopped = shm.frames({ signal: stop.signal }).next();
  await sleep(20);
  stop.abort();
  expect(await stopped).toMatchObject({ done: true });
  // All that the next writer writes is new.
  const next = closing(openRingWriter({ name, slotSize: 1_000 }));
  next.write(frame(7));
  for (const first of firsts) expect((await first).value).toMatchObject({ sequence: 7, missed: 0 });
  expect((await placed).value).toEqual({ value: { sequence: 7, missed: 0 }, whole: true });
  for (const frames of [all, fresh, inPlace]) await frames.return();
});

test('what has the name between two writers and cannot be read is not waited for without follow', async () => {
  const name = uniqueName();
  const writer = openRingWriter({ name, slotSize: 1_000 });
  const shm = closing(openShm(name));
  writer.close();
  writeFileSync(pathOf(name), new Uint8Array(4_096).fill(1));
  await expect(shm.frames({ follow: false }).next()).rejects.toMatchObject({ code: 'SHM_INVALID' });
  const first = shm.frames().next();
  await sleep(20);
  rmSync(pathOf(name));
  const next = closing(openRingWriter({ name, slotSize: 1_000 }));
  next.write(frame(8));
  expect((await first).value).toMatchObject({ sequence: 8 });
});

test('aborting, breaking off and closing end the waiting, and give back threads and descriptors', async () => {
  const name = uniqueName();
  const writer = closing(openRingWriter({ name, slotSize: 1_000 }));
  writer.write(frame(1));
  const shm = openShm(name);
  // Whatever the first use loads stays.
  await numbers(shm, 1);
  const [beforeThreads, beforeDescriptors] = [threads(), descriptors()];
  for (let round = 0; round < 5; round++) {
    await numbers(shm, 1);
    const abort = new AbortController();
    const aborted = shm.frames({ signal: abort.signal, existing: false }).next();
    await sleep(20);
    abort.abort();
    expect(await aborted).toMatchObject({ done: true });
  }
  const waiting = Array.from({ length: 5 }, () => shm.frames({ existing: false }).next());
  await sleep(20);
  expect(threads()).toBeGreaterThan(beforeThreads);
  await shm.close();
  expect((await Promise.all(waiting)).every(({ done }) => done === true)).toBe(true);
  await expect.poll(threads).toBeLessThanOrEqual(beforeThreads);
  // One less: that of the reader itself.
  expect(descriptors()).toBe(beforeDescriptors - 1);
  await shm.close();
  expectFailure('SHM_FAILED', () => shm.latest());
});

test('frames$ gives them to subscribers, and unsubscribing ends it', async () => {
  const name = uniqueName();
  const writer = closing(openRingWriter({ name, slotSize: 1_000 }));
  const shm = closing(openShm(name));
  const three = firstValueFrom(shm.frames$.pipe(take(3), toArray()));
  for (let n = 1; n <= 5; n++) {
    writer.write(frame(n));
    await sleep(5);
  }
  expect((await three).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
});

test('inPlace() gives frames without a copy, and says of each whether it was whole', async () => {
  const name = uniqueName();
  const writer = closing(openRingWriter({ name, slots: 4, slotSize: 1_000 }));
  const shm = closing(openShm(name));
  writer.write(frame(1));
  const seen: unknown[] = [];
  const use = ({ number, data }: { number: number; data: Uint8Array }) => {
    // The first is looked at in peace, the second is overwritten meanwhile.
    for (let n = number + 1; n <= (number === 1 ? 2 : 6); n++) writer.write(frame(n));
    return [number, new Set(data).size];
  };
  for await (const { value, whole } of shm.inPlace(use)) {
    seen.push([...value, whole]);
    if (seen.length === 2) break;
  }
  expect(seen).toEqual([
    [1, 1, true],
    [2, 1, false],
  ]);
  const vizn = uniqueName();
  closing(openViznWriter({ name: vizn, size: 4_096 }));
  await expect(closing(openShm(vizn)).inPlace(Boolean).next()).rejects.toMatchObject({
    code: 'OPTION_INVALID',
  });
});

test("another program's VIZN segment, which wakes no one, is looked at again and again", async () => {
  const name = uniqueName();
  const writer = closing(openViznWriter({ name, size: 4_096 }));
  writer.write(frame(1));
  const bytes = readFileSync(pathOf(name));
  bytes.fill(0, 56, 128);
  const foreign = uniqueName();
  writeFileSync(pathOf(foreign), bytes);
  atEnd(() => rmSync(pathOf(foreign)));
  const shm = closing(openShm(foreign));
  expect(shm.state()).toMatchObject({ ownerPid: undefined, status: 'live' });
  const frames = shm.frames();
  expect((await frames.next()).value).toMatchObject({ sequence: 1 });
  const next = frames.next();
  await sleep(20);
  bytes.writeUInt32LE(2, 32);
  bytes.writeUInt32LE(4, 36);
  writeFileSync(pathOf(foreign), bytes, { flag: 'r+' });
  expect((await next).value).toMatchObject({ sequence: 2 });
  await frames.return();
});

test('what is not there, or has no layout that we know, is said at once', () => {
  const name = uniqueName();
  expect(expectFailure('SHM_FAILED', () => openShm(name)).context['errno']).toBe('ENOENT');
  writeFileSync(pathOf(name), new Uint8Array(4_096).fill(1));
  atEnd(() => rmSync(pathOf(name)));
  expectFailure('SHM_INVALID', () => openShm(name));
});
