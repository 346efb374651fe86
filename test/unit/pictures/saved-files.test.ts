/** What is saved, for how long, and that nothing else is touched. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SavedFiles, type SavePolicy } from '../../../src/pictures/index.js';

let dir = '';
const open: SavedFiles[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'saved-'));
});
afterEach(() => {
  for (const files of open.splice(0)) files.close();
  rmSync(dir, { recursive: true });
});

async function saved(policy: Partial<SavePolicy> = {}, cameraId = 'cam'): Promise<SavedFiles> {
  const files = await SavedFiles.open('Frames cannot be saved', dir, cameraId, { when: 'all', ...policy });
  open.push(files);
  return files;
}

const name = (sequence: number, cameraId = 'cam') => `${cameraId}-${String(sequence).padStart(8, '0')}.jpg`;
const frame = (sequence: number, cameraId = 'cam') => ({ cameraId, sequence });
const jpeg = (size: number) => Buffer.alloc(size, 1);

/** A file of an earlier run. */
function earlier(folder: string, sequence: number, size: number, ageS: number): string {
  mkdirSync(join(dir, folder), { recursive: true });
  const path = join(dir, folder, name(sequence));
  writeFileSync(path, jpeg(size));
  const time = Date.now() / 1_000 - ageS;
  utimesSync(path, time, time);
  return path;
}

describe('which frames are saved', () => {
  it.each([
    ['all', [true, true, true], false],
    ['every:2', [true, false, true], false],
    ['ng', [false, false, false], true],
  ])('%s', async (when, wanted, byOutcome) => {
    const files = await saved({ when });
    expect([1, 2, 3].map((sequence) => files.wants(sequence))).toEqual(wanted);
    expect(files.byOutcome).toBe(byOutcome);
  });

  it.each([
    ['ng', ['ng']],
    ['failed', ['failed']],
    ['ng,failed', ['ng', 'failed']],
  ])('those with the outcome %s', async (when, wanted) => {
    const files = await saved({ when });
    const outcomes = ['ok', 'ng', 'failed'] as const;
    expect(outcomes.filter((outcome) => files.wants(2, outcome))).toEqual(wanted);
  });
});

describe('a file', () => {
  it('is never overwritten, and the error says what to do', async () => {
    const files = await saved();
    expect(await files.save(frame(1), jpeg(3))).toBe(join(dir, name(1)));
    await expect(files.save(frame(1), jpeg(4))).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringContaining('choose another one'),
    });
    expect(readFileSync(join(dir, name(1)))).toHaveLength(3);
    expect(readdirSync(dir)).toEqual([name(1)]);
  });

  it('of an earlier run moves to a folder of its own; parts of a killed process go', async () => {
    earlier('.', 1, 5, 100);
    const part = join(dir, `.${name(2)}.abc.part`);
    writeFileSync(part, 'half');
    utimesSync(part, 1_000, 1_000);
    writeFileSync(join(dir, `.${name(3)}.abc.part`), 'being written');
    writeFileSync(join(dir, 'notes.txt'), 'mine');
    const files = await saved();
    expect(readdirSync(files.earlier!)).toEqual([name(1)]);
    expect(
      readdirSync(dir)
        .filter((one) => !one.startsWith('earlier-'))
        .sort(),
    ).toEqual([`.${name(3)}.abc.part`, 'notes.txt']);
  });
});

describe('room', () => {
  it('for so many bytes: the oldest go first, those of earlier runs before', async () => {
    const first = earlier('earlier-20250101-000000', 7, 100, 500);
    const second = earlier('earlier-20250102-000000', 7, 100, 400);
    const files = await saved({ maxBytes: 350 });
    await files.save(frame(1), jpeg(100));
    expect([existsSync(first), existsSync(second)]).toEqual([true, true]);
    await files.save(frame(2), jpeg(100));
    // The folder goes with its last file.
    expect(readdirSync(dir).sort()).toEqual([name(1), name(2), 'earlier-20250102-000000'].sort());
    for (let sequence = 3; sequence <= 20; sequence++) await files.save(frame(sequence), jpeg(100));
    expect(readdirSync(dir).sort()).toEqual([name(18), name(19), name(20)]);
  });

  it('is made only of files that a camera of this run saved', async () => {
    earlier('earlier-20250101-000000', 7, 100, 500);
    const kept = ['IMG-20250131.jpg', 'other-00000001.jpg', 'cam-1.jpg', 'cam-00000001.png', 'notes.txt'];
    for (const one of kept) writeFileSync(join(dir, one), jpeg(1_000));
    writeFileSync(join(dir, 'earlier-20250101-000000', 'mine.txt'), 'mine');
    const files = await saved({ maxBytes: 100 });
    await files.save(frame(1), jpeg(100));
    await files.save(frame(2), jpeg(100));
    expect(readdirSync(dir).sort()).toEqual([...kept, name(2), 'earlier-20250101-000000'].sort());
    expect(readdirSync(join(dir, 'earlier-20250101-000000'))).toEqual(['mine.txt']);
  });

  it('never follows a link out of the folder', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'outside-'));
    writeFileSync(join(outside, name(5)), jpeg(100));
    symlinkSync(join(outside, name(5)), join(dir, name(5)));
    const files = await saved({ maxBytes: 100 });
    await files.save(frame(1), jpeg(100));
    await files.save(frame(2), jpeg(100));
    expect(existsSync(join(outside, name(5)))).toBe(true);
    rmSync(outside, { recursive: true });
  });

  it('for a picture that is larger than the limit there is none', async () => {
    const files = await saved({ maxBytes: 50 });
    await expect(files.save(frame(1), jpeg(100))).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringContaining('limit of 50 bytes'),
    });
    await files.save(frame(2), jpeg(10));
  });

  it('is shared by the cameras of a folder', async () => {
    const [one, two] = [await saved({ maxBytes: 300 }), await saved({ maxBytes: 300 }, 'other')];
    for (let sequence = 1; sequence <= 5; sequence++) {
      await Promise.all([
        one.save(frame(sequence), jpeg(100)),
        two.save(frame(sequence, 'other'), jpeg(100)),
      ]);
    }
    expect(readdirSync(dir)).toHaveLength(3);
  });

  it('is free on the disk: old files go until it is, and then the frame is lost', async () => {
    const { bavail, bsize } = statfsSync(dir);
    const old = earlier('earlier-20250101-000000', 7, 100, 500);
    // No disk has that much.
    const files = await saved({ minFree: bavail * bsize * 2 });
    await expect(files.save(frame(1), jpeg(100))).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringContaining('Free some space'),
    });
    expect(existsSync(old)).toBe(false);
    const modest = await saved({ minFree: 1 });
    await modest.save(frame(1), jpeg(100));
  });
});

describe('age', () => {
  it('removes what is too old, also while nothing is saved', async () => {
    const old = earlier('earlier-20250101-000000', 7, 100, 500);
    const files = await saved({ maxAgeMs: 400 });
    await files.save(frame(1), jpeg(10));
    expect(existsSync(old)).toBe(false);
    expect(existsSync(join(dir, name(1)))).toBe(true);
    await expect.poll(() => readdirSync(dir), { timeout: 10_000 }).toEqual([]);
    await files.save(frame(2), jpeg(10));
  });

  it('is no longer looked at when the folder is closed', async () => {
    const files = await saved({ maxAgeMs: 100 });
    await files.save(frame(1), jpeg(10));
    files.close();
    open.length = 0;
    await delay(400);
    expect(readdirSync(dir)).toEqual([name(1)]);
  });
});
