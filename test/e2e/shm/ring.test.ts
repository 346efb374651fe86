import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openRingReader } from '../../../src/shm/ring/ring-reader.js';
import type { RingReader } from '../../../src/shm/ring/ring-types.js';
import { openRingWriter, type RingWriter } from '../../../src/shm/ring/ring-writer.js';
import {
  Child,
  closing,
  compileReader,
  expectFailure,
  fixture,
  leftovers,
  pathOf,
  startNode,
  uniqueName,
} from './support.js';

const SLOTS = 8;
const LANGUAGES = ['node', 'python', 'c++'];
const writerOf = (name: string): RingWriter =>
  closing(openRingWriter({ name, slots: SLOTS, slotSize: 1_000 }));
const readerOf = (name: string): RingReader => closing(openRingReader(name));

/** Frames `from` to `to`, each full of its own number. */
function write(writer: RingWriter, from: number, to: number): void {
  for (let n = from; n <= to; n++) {
    const jpeg = new Uint8Array(100 + n).fill(n);
    writer.write({ jpeg, width: n, height: 2 * n, timestampNs: BigInt(n) * 1_000n, sequence: 1_000 + n });
  }
}

function numbers(reader: RingReader): number[] {
  const taken = [];
  for (let frame = reader.next(); frame; frame = reader.next()) {
    expect(frame.data).toEqual(new Uint8Array(100 + frame.number).fill(frame.number));
    expect(frame).toMatchObject({
      width: frame.number,
      height: 2 * frame.number,
      sequence: 1_000 + frame.number,
      timestampNs: BigInt(frame.number) * 1_000n,
      format: 'MJPG',
    });
    taken.push(frame.number);
  }
  return taken;
}

test('the layout, to the byte', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  write(writer, 1, 1);
  const file = readFileSync(pathOf(name));
  const word = (offset: number): number => file.readUInt32LE(offset);
  expect(file.subarray(0, 4).toString('latin1')).toBe('OMVR');
  // version, slots, stride, capacity, index, first slot, lease entries
  expect([4, 8, 12, 16, 20, 24, 28].map(word)).toEqual([1, SLOTS, 1_088, 1_000, 128, 4_096, 32]);
  expect(file.subarray(32, 36).toString('latin1')).toBe('OMVB');
  expect(word(36)).toBe(process.pid);
  expect(file.readBigUInt64LE(64)).toBe(1n);
  expect(word(72)).toBe(1);
  expect(file.length).toBe(4_096 + SLOTS * 1_088);
  const at = 4_096 + word(128 + 4) * 1_088;
  expect([word(at), word(at + 4)]).toEqual([2, 101]);
  expect([8, 16, 48].map((offset) => file.readBigUInt64LE(at + offset))).toEqual([1n, 1_000n, 1_001n]);
  expect([word(at + 24), word(at + 28)]).toEqual([1, 2]);
  expect(file.subarray(at + 32, at + 48).toString('latin1')).toBe(`MJPG${'\0'.repeat(12)}`);
  expect([...file.subarray(at + 64, at + 64 + 101)]).toEqual(new Array(101).fill(1));

  const table = readFileSync(pathOf(`${name}.leases`));
  expect(table.subarray(0, 4).toString('latin1')).toBe('OMVL');
  expect([table.readUInt32LE(4), table.readUInt32LE(8)]).toEqual([1, 32]);
  expect(table.readBigUInt64LE(16)).toBe(file.readBigUInt64LE(56));
  expect(table.length).toBe(64 + 32 * 64);
});

test('every reader gets every frame in order, at its own pace; what was overwritten is counted', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  const early = readerOf(name);
  write(writer, 1, 5);
  const late = readerOf(name);
  expect(numbers(early)).toEqual([1, 2, 3, 4, 5]);
  expect(late.next()?.number).toBe(1);
  write(writer, 6, 10);
  expect(numbers(early)).toEqual([6, 7, 8, 9, 10]);
  expect([early.cursor, early.missed]).toEqual([10, 0]);
  // Eight slots: 3 to 10 are there.
  const first = late.next();
  expect([first?.number, first?.missed, late.missed]).toEqual([3, 1, 1]);
  expect(numbers(late)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  write(writer, 11, 30);
  expect(late.latest()?.number).toBe(30);
  expect(late.missed).toBe(1);
  const third = readerOf(name);
  third.skip();
  write(writer, 31, 31);
  expect(numbers(third)).toEqual([31]);
  expect(third.state()).toMatchObject({ status: 'live', head: 31, ownerPid: process.pid });
});

test('a new reader begins with the oldest frame it can have: only what comes after it can be missed', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  write(writer, 1, 20);
  const [fresh, slow] = [readerOf(name), readerOf(name)];
  write(writer, 21, 22);
  const first = fresh.next();
  expect([first?.number, first?.missed, fresh.missed]).toEqual([15, 0, 0]);
  write(writer, 23, 35);
  // 13 to 20 were there before it; 21 to 27 were not, and are gone.
  const late = slow.next();
  expect([late?.number, late?.missed, slow.missed]).toEqual([28, 7, 7]);
});

test('a leased frame stays as it is while the writer goes round, and its slot is used again after', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  const reader = readerOf(name);
  write(writer, 1, 3);
  const lease = reader.lease()!;
  expect([lease.pinned, lease.number]).toEqual([true, 1]);
  write(writer, 4, 50);
  expect(lease.data).toEqual(new Uint8Array(101).fill(1));
  expect([lease.whole(), lease.release(), lease.release()]).toEqual([true, true, true]);
  // The other seven slots held the last seven frames.
  expect(numbers(reader)).toEqual([44, 45, 46, 47, 48, 49, 50]);
  write(writer, 51, 58);
  expect(numbers(readerOf(name))).toEqual([51, 52, 53, 54, 55, 56, 57, 58]);
});

test('readers that lease every slot lose the oldest and learn of it; the writer never waits', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  const reader = readerOf(name);
  write(writer, 1, SLOTS);
  const leases = Array.from({ length: SLOTS }, () => reader.lease()!);
  expect(leases.every(({ pinned }) => pinned)).toBe(true);
  write(writer, SLOTS + 1, SLOTS + 2);
  expect(writer.revoked).toBe(2);
  expect(leases.map((lease) => lease.release())).toEqual([false, false, true, true, true, true, true, true]);
});

/** A child that leases the first three frames of a ring and gives them back at a line. */
function leaseHolder(language: string, name: string): Child {
  if (language === 'node') return startNode('lease.mjs', name);
  if (language === 'python') return new Child('python3', [fixture('lease.py'), name]);
  return new Child(compileReader('lease.cpp'), [name]);
}

test.each(LANGUAGES)('a %s lease is whole while the writer only looks for leases', async (language) => {
  const name = uniqueName();
  write(writerOf(name), 1, SLOTS);
  const child = leaseHolder(language, name);
  expect(await child.json()).toEqual({ numbers: [1, 2, 3], pinned: true });
  // A writer that stands still in the middle: of a look, of a take, after it.
  const file = openSync(pathOf(name), 'r+');
  for (const [slot, version] of [3, 5, 6].entries()) {
    writeSync(file, Uint32Array.of(version), 0, 4, 4_096 + slot * 1_088);
  }
  closeSync(file);
  child.say('release');
  expect(await child.json()).toEqual([true, false, false]);
  await child.kill();
});

test('a reader holds as many leases as it has places for, the next are unpinned', () => {
  const name = uniqueName();
  const writer = closing(openRingWriter({ name, slots: 16, slotSize: 1_000 }));
  const reader = readerOf(name);
  write(writer, 1, 12);
  const leases = Array.from({ length: 10 }, () => reader.lease()!);
  expect(leases.map(({ pinned }) => pinned)).toEqual([...new Array(8).fill(true), false, false]);
  write(writer, 13, 30);
  expect(leases.map((lease) => lease.release())).toEqual([...new Array(8).fill(true), false, false]);
});

test.each(LANGUAGES)('a %s reader killed with leases in hand gives them back', async (language) => {
  const name = uniqueName();
  const writer = writerOf(name);
  write(writer, 1, SLOTS);
  const child = leaseHolder(language, name);
  expect(await child.json()).toEqual({ numbers: [1, 2, 3], pinned: true });
  write(writer, SLOTS + 1, SLOTS + 20);
  const mine = readerOf(name);
  // Five slots go round, three are in its hand.
  expect(numbers(mine)).toHaveLength(SLOTS - 3);
  expect(writer.revoked).toBe(0);
  await child.kill();
  await new Promise((done) => setTimeout(done, 60));
  write(writer, SLOTS + 21, SLOTS + 20 + 3 * SLOTS);
  expect(numbers(readerOf(name))).toHaveLength(SLOTS);
});

test('a frame that does not fit is refused, and what was there stays', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  write(writer, 1, 1);
  const big = { jpeg: new Uint8Array(1_001), width: 1, height: 1, timestampMs: 1, sequence: 2 };
  expect(expectFailure('SHM_TOO_SMALL', () => writer.write(big)).message).toContain('--ring-slot-size 1001');
  expect(numbers(readerOf(name))).toEqual([1]);
  expectFailure('OPTION_INVALID', () => openRingWriter({ name: uniqueName(), slots: 3 }));
  expectFailure('SHM_IN_USE', () => openRingWriter({ name }));
  writer.close();
  expectFailure('SHM_FAILED', () => writer.write(big));
  expect(leftovers()).toEqual([]);
});

test('a ring that contradicts itself is refused, a cut one is an error and never a crash', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  write(writer, 1, 3);
  const good = readFileSync(pathOf(name));
  const foreign = uniqueName();
  const offsets = [4, 8, 12, 16, 20, 24];
  for (const [index, offset] of offsets.entries()) {
    const bad = Buffer.from(good);
    bad.writeUInt32LE(0xffff_fff0 - index, offset);
    writeFileSync(pathOf(foreign), bad);
    expectFailure('SHM_INVALID', () => openRingReader(foreign));
  }
  const slot = Buffer.from(good);
  slot.fill(0xff, 128, 4_096);
  writeFileSync(pathOf(foreign), slot);
  expectFailure('SHM_INVALID', () => readerOf(foreign).next());
  const size = Buffer.from(good);
  size.writeUInt32LE(5_000, 4_096 + size.readUInt32LE(132) * 1_088 + 4);
  writeFileSync(pathOf(foreign), size);
  const reader = readerOf(foreign);
  expectFailure('SHM_INVALID', () => reader.next());
  truncateSync(pathOf(foreign), 4_096);
  expectFailure('SHM_INVALID', () => reader.next());
  rmSync(pathOf(foreign));
});
