/** A recording and its disk: full, slow, and one that does not answer. */
import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Message } from '../../../src/recording/messages.js';
import { Recording } from '../../../src/recording/recording.js';
import { RecordingFile } from '../../../src/recording/recording-file.js';
import { readUpTo, readWhole } from '../../support/recording.js';

const MEBIBYTE = 2 ** 20;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openmv-recording-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const none = new Map<string, string>();
const message = (sequence: number, kind: Message['kind'] = 'wire', bytes = MEBIBYTE): Message => {
  const time = BigInt(sequence + 1) * 1_000_000n;
  return { kind, cameraId: 'cam', sequence, logTime: time, publishTime: time, data: new Uint8Array(bytes) };
};
const event = (sequence: number): Message => {
  const data = new TextEncoder().encode(JSON.stringify({ sequence }));
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
  const recording = await Recording.open(path, none);
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
  const recording = await Recording.open(path, none);
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

it('messages reach the file while it is recorded, and their times need not be in order', async () => {
  const path = join(folder, 'growing.mcap');
  const recording = await Recording.open(path, none);
  recording.push(event(2));
  await vi.waitUntil(() => readUpTo(path).messages.length === 1, { timeout: 20_000 });
  recording.push(event(1));
  recording.push(event(3));
  await recording.close();
  expect((await readWhole(path)).map(({ value }) => value.sequence)).toEqual([1, 2, 3]);
});
