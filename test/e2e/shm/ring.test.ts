import { closeSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openRingReader, type RingReader } from '../../../src/shm/ring/ring-reader.js';
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
  // version, slots, stride, capacity, index, first slot, reserved
  expect([4, 8, 12, 16, 20, 24, 28].map(word)).toEqual([1, SLOTS, 1_088, 1_000, 128, 4_096, 0]);
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

test('a frame in place is whole unless the writer came round to its slot meanwhile', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  const reader = readerOf(name);
  expect(reader.inPlace(() => 1)).toBeUndefined();
  write(writer, 1, SLOTS);
  const look = (n: number) =>
    reader.inPlace(({ number, data }) => {
      const before = data[0];
      write(writer, number + SLOTS, n);
      return [number, before, data[0]];
    });
  // One short of the slot of frame 1, and then that.
  expect(look(SLOTS)).toEqual({ value: [1, 1, 1], whole: true });
  write(writer, SLOTS + 1, SLOTS + 1);
  expect(look(2 + SLOTS)).toEqual({ value: [2, 2, 2 + SLOTS], whole: false });
  expect([reader.cursor, reader.missed]).toEqual([2, 0]);
});

test('a reader may be closed, and an exception thrown, while a frame is used in place', () => {
  const name = uniqueName();
  write(writerOf(name), 1, 3);
  const reader = readerOf(name);
  const fail = () => {
    throw new Error('mine');
  };
  expect(() => reader.inPlace(fail)).toThrow('mine');
  const closing = reader.inPlace(({ data, number }) => {
    reader.close();
    return [number, data.length];
  });
  expect(closing).toEqual({ value: [2, 102], whole: true });
  expectFailure('SHM_FAILED', () => reader.inPlace(() => 1));
});

/** A child that uses three frames of a ring in place, each until it gets a line. */
function inPlaceReader(language: string, name: string): Child {
  if (language === 'node') return startNode('in_place.mjs', name);
  if (language === 'python') return new Child('python3', ['-B', fixture('in_place.py'), name]);
  return new Child(compileReader('in_place.cpp'), [name]);
}

test.each(LANGUAGES)('a %s reader in place learns that its frame was overwritten', async (language) => {
  const name = uniqueName();
  const writer = writerOf(name);
  write(writer, 1, SLOTS);
  const child = inPlaceReader(language, name);
  expect(await child.json()).toBe(1);
  child.say('on');
  expect(await child.json()).toEqual({ value: 1, whole: true });
  expect(await child.json()).toBe(2);
  write(writer, SLOTS + 1, SLOTS + 2);
  child.say('on');
  expect(await child.json()).toEqual({ value: SLOTS + 2, whole: false });
  expect(await child.json()).toBe(3);
  // A writer that stands still in the middle of the slot.
  const file = openSync(pathOf(name), 'r+');
  writeSync(file, Uint32Array.of(3), 0, 4, 4_096 + 3 * 1_088);
  closeSync(file);
  child.say('on');
  expect(await child.json()).toEqual({ value: 3, whole: false });
  expect(await child.exited).toBe(0);
});

test('a frame that does not fit is refused, and what was there stays', () => {
  const name = uniqueName();
  const writer = writerOf(name);
  write(writer, 1, 1);
  const big = { jpeg: new Uint8Array(1_001), width: 1, height: 1, timestampMs: 1, sequence: 2 };
  expect(expectFailure('SHM_TOO_SMALL', () => writer.write(big)).message).toContain('slots of 1001 bytes');
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
