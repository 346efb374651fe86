/** A recording and its disk: full, slow, and one that does not answer. */
import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Around } from '../../../src/recording/around.js';
import type { Message } from '../../../src/recording/messages.js';
import { Recording } from '../../../src/recording/recording.js';
import { RecordingFile } from '../../../src/recording/recording-file.js';
import { recordingTarget, type SegmentLimits } from '../../../src/recording/target.js';
import { readUpTo, readWhole } from '../../support/recording.js';

const MEBIBYTE = 2 ** 20;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openmv-recording-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const LIMITS = { splitBytes: Number.POSITIVE_INFINITY };
const record = async (path: string, limits: SegmentLimits = LIMITS): Promise<Recording> =>
  Recording.open(await recordingTarget(path, new Map([['runId', 'a run']]), limits));
const message = (sequence: number, kind: Message['kind'] = 'wire', bytes = MEBIBYTE): Message => {
  const time = BigInt(sequence + 1) * 1_000_000n;
  return { kind, cameraId: 'cam', sequence, logTime: time, publishTime: time, data: new Uint8Array(bytes) };
};
const event = (sequence: number, bytes = 0): Message => {
  const data = new TextEncoder().encode(JSON.stringify({ sequence, padding: ' '.repeat(bytes) }));
  return { ...message(sequence, 'event'), data };
};

/** Reads what is there, until aborted. */
async function drain(reader: FileHandle, signal: AbortSignal): Promise<void> {
  const buffer = Buffer.alloc(MEBIBYTE);
  while (!signal.aborted) await reader.read(buffer).catch(() => pause(1));
}

it('a disk that does not answer costs frames, and nothing waits for it', async () => {
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  // A reader that does not read.
  const reader = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
  const recording = await record(path);
  let taken = 0;
  while (recording.push(message(taken))) taken++;
  expect(taken).toBe(64);
  expect(recording.push(event(64))).toBe(true);
  expect(recording.push(message(65))).toBe(false);
  // The disk answers again: there is room when half of it is written, not for every single frame.
  const end = new AbortController();
  const drained = drain(reader, end.signal);
  await vi.waitUntil(() => recording.push(message(66)), { timeout: 20_000 });
  await recording.close();
  end.abort();
  await drained;
  await reader.close();
  expect(recording.over).toBe(true);
}, 40_000);

it('a disk that is full ends the recording, and what was written has its end', async () => {
  const path = join(folder, 'full.mcap');
  const recording = await record(path);
  for (let sequence = 1; sequence <= 5; sequence++) recording.push(event(sequence));
  await vi.waitUntil(() => readUpTo(path).messages.length === 5, { timeout: 20_000 });
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  vi.spyOn(RecordingFile.prototype, 'flush').mockRejectedValue(full);
  recording.push(event(6));
  const error = await recording.failed;
  expect(error?.code).toBe('FILE_FAILED');
  expect(error?.message).toContain('The recording has ended: nothing can be written to');
  expect(error?.message).toContain('the disk is full');
  expect(recording.over).toBe(true);
  expect(recording.push(event(7))).toBe(false);
  vi.restoreAllMocks();
  expect((await readWhole(path)).map(({ value }) => value.sequence)).toEqual([1, 2, 3, 4, 5]);
});

it('a file that is removed ends the recording, and that is told', async () => {
  const path = join(folder, 'removed.mcap');
  const recording = await record(path);
  recording.push(event(1));
  await vi.waitUntil(() => readUpTo(path).messages.length === 1, { timeout: 20_000 });
  await rm(path);
  let sequence = 2;
  await vi.waitUntil(() => !recording.push(event(sequence++)), { timeout: 20_000 });
  const error = await recording.failed;
  expect(error).toMatchObject({
    code: 'FILE_FAILED',
    message: expect.stringContaining('removed.mcap was removed'),
  });
  expect(await stat(path).catch(({ code }) => code)).toBe('ENOENT');
});

it('a segment that is removed is followed by another one', async () => {
  const path = join(folder, 'cleaned');
  const recording = await record(path);
  const messages = async (): Promise<number> => {
    const names = await readdir(path);
    return names.reduce((sum, name) => sum + readUpTo(join(path, name)).messages.length, 0);
  };
  recording.push(event(1));
  await vi.waitUntil(async () => (await messages()) === 1, { timeout: 20_000 });
  for (const name of await readdir(path)) await rm(join(path, name));
  let sequence = 2;
  await vi.waitUntil(async () => recording.push(event(sequence++)) && (await messages()) > 0, {
    timeout: 20_000,
  });
  await recording.close();
  const [name, ...more] = await readdir(path);
  expect(more).toEqual([]);
  const sequences = (await readWhole(join(path, name!))).map(({ value }) => value.sequence);
  expect(sequences).toEqual(sequences.map((_, index) => sequences[0]! + index));
  expect(sequences.at(-1)).toBe(sequence - 1);
});

it('messages reach the file while it is recorded, and their times need not be in order', async () => {
  const path = join(folder, 'growing.mcap');
  const recording = await record(path);
  recording.push(event(2));
  await vi.waitUntil(() => readUpTo(path).messages.length === 1, { timeout: 20_000 });
  recording.push(event(1));
  recording.push(event(3));
  await recording.close();
  expect((await readWhole(path)).map(({ value }) => value.sequence)).toEqual([1, 2, 3]);
});

it('segments in a folder begin by size, each can be read alone, and the oldest go at the limit', async () => {
  const path = join(folder, 'segments');
  const limits = { splitBytes: MEBIBYTE / 4, maxBytes: 2 * MEBIBYTE };
  const recording = await record(path, limits);
  const COUNT = 80;
  for (let sequence = 1; sequence <= COUNT; sequence++) {
    expect(recording.push(event(sequence, MEBIBYTE / 16))).toBe(true);
  }
  await writeFile(join(path, 'mine.mcap'), 'not a segment');
  await recording.close();
  const names = (await readdir(path)).sort();
  expect(names).toContain('mine.mcap');
  const segments = names.filter((name) => name !== 'mine.mcap');
  expect(segments.length).toBeGreaterThan(3);
  const sizes = await Promise.all(segments.map(async (name) => (await stat(join(path, name))).size));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(limits.maxBytes);
  const all = [];
  for (const name of segments) all.push(...(await readWhole(join(path, name))));
  const sequences = all.map(({ sequence }) => sequence);
  expect(sequences.at(-1)).toBe(COUNT);
  expect(sequences).toEqual(sequences.map((_, index) => sequences[0]! + index));
});

it('segments begin by time as well', async () => {
  const path = join(folder, 'by-time');
  const recording = await record(path, { ...LIMITS, splitMs: 1 });
  for (let sequence = 1; sequence <= 3; sequence++) {
    recording.push(event(sequence));
    const count = async (): Promise<number> => (await readdir(path)).length;
    await vi.waitUntil(async () => (await count()) === sequence, { timeout: 20_000 });
  }
  await recording.close();
});

describe('around moments', () => {
  const at = (seconds: number, bytes = 10): Message => {
    const ns = BigInt(Math.round(seconds * 1_000)) * 1_000_000n;
    return { ...message(seconds, 'frame', bytes), logTime: ns };
  };
  const around = (ms: number) => {
    const kept: number[] = [];
    return { kept, around: new Around(ms, ({ sequence }) => kept.push(sequence)) };
  };

  it('what is so long before and behind each is kept, once and in order', () => {
    const { kept, around: two } = around(2_000);
    for (let second = 0; second < 40; second++) {
      two.take(at(second));
      if (second === 10 || second === 11 || second === 30) two.moment(at(second).logTime);
    }
    expect(kept).toEqual([8, 9, 10, 11, 12, 13, 28, 29, 30, 31, 32]);
  });

  it('what is held has a limit', () => {
    const { kept, around: long } = around(600_000);
    for (let second = 1; second <= 100; second++) long.take(at(second, MEBIBYTE));
    long.moment(at(100).logTime);
    expect(kept).toEqual(Array.from({ length: 64 }, (_, index) => index + 37));
  });
});
