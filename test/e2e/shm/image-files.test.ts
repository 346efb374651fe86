import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { memory } from '../../../src/libc-memory.js';
import { type ImageFiles, imageFileName, openImageFiles } from '../../../src/shm/images/image-files.js';
import { closeAtExit } from '../../../src/shm/memory/cleanup.js';
import { needed } from '../../support/needs.js';
import { expectFailure, temporaryDirectory } from './support.js';

const picture = new Uint8Array(25_000).fill(0xd8);

function bins(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.endsWith('.bin'));
}

describe.each([['a private directory'], ['a given directory']])('in %s', (kind) => {
  let images: ImageFiles;

  beforeEach(() => {
    images = openImageFiles(kind === 'a private directory' ? {} : { dir: temporaryDirectory(), limit: 64 });
  });

  afterEach(() => images.close());

  test('an image stands until it is released', () => {
    const one = images.put('cam:1/00000001', picture);
    const two = images.put('cam:1/00000002', Uint8Array.of(1));
    expect(one.path).toBe(join(images.dir, 'cam_1_00000001.bin'));
    expect(one.id).toBe('cam:1/00000001');
    expect(readFileSync(one.path).equals(picture)).toBe(true);
    expect(images.count).toBe(2);
    one.release();
    one.release();
    expect(images.count).toBe(1);
    expect(bins(images.dir)).toEqual(['cam_1_00000002.bin']);
    two.release();
    expect(images.count).toBe(0);
    expect(bins(images.dir)).toEqual([]);
  });

  test('an old lease does not release a new image of the same id', () => {
    const old = images.put('one', picture);
    old.release();
    const fresh = images.put('one', Uint8Array.of(2));
    old.release();
    expect(readFileSync(fresh.path)).toEqual(Buffer.of(2));
  });

  test('anyone who has a released image open keeps that picture', () => {
    const lease = images.put('one', picture);
    const fd = openSync(lease.path, 'r');
    lease.release();
    for (let i = 0; i < 10; i++) images.put(`next-${i}`, new Uint8Array(25_000).fill(i)).release();
    const kept = Buffer.alloc(30_000);
    expect(readSync(fd, kept, 0, kept.length, 0)).toBe(picture.length);
    expect(kept.subarray(0, picture.length).equals(picture)).toBe(true);
    closeSync(fd);
  });

  test('a file that no other program has is written again, whatever size the next image has', () => {
    const inodes = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const bytes = new Uint8Array(1 + ((i * 7_919) % 30_000)).fill(i);
      const lease = images.put(`picture-${i}`, bytes);
      inodes.add(statSync(lease.path).ino);
      expect(readFileSync(lease.path).equals(bytes)).toBe(true);
      lease.release();
    }
    // Not every file system tells whether anyone else has a file.
    if (process.platform === 'linux' && kind === 'a private directory') expect(inodes.size).toBe(1);
    expect(bins(images.dir)).toEqual([]);
  });

  test('a released image that got another name keeps its picture there', () => {
    const elsewhere = join(images.dir, 'kept.jpg');
    const moved = join(images.dir, 'moved.jpg');
    const linked = images.put('linked', picture);
    linkSync(linked.path, elsewhere);
    linked.release();
    const renamed = images.put('renamed', picture);
    renameSync(renamed.path, moved);
    renamed.release();
    for (let i = 0; i < 10; i++) images.put(`next-${i}`, new Uint8Array(25_000).fill(i)).release();
    for (const path of [elsewhere, moved]) {
      expect(readFileSync(path).equals(picture)).toBe(true);
      rmSync(path);
    }
  });

  test.skipIf(process.platform !== 'linux')(
    'a reader that has mapped a released image keeps that picture, though it has closed the file',
    () => {
      const lease = images.put('one', picture);
      const fd = openSync(lease.path, 'r');
      const mapping = memory().map(fd, picture.length, 'read');
      closeSync(fd);
      lease.release();
      for (let i = 0; i < 10; i++) images.put(`next-${i}`, new Uint8Array(10_000).fill(i)).release();
      expect(Buffer.from(mapping.buffer).equals(picture)).toBe(true);
      mapping.unmap();
    },
  );

  test.skipIf(process.platform !== 'linux')(
    'however many are held, four descriptors are open at most',
    () => {
      const descriptors = (): number =>
        readdirSync('/proc/self/fd').filter((fd) => {
          try {
            return readlinkSync(`/proc/self/fd/${fd}`).startsWith(images.dir);
          } catch {
            return false;
          }
        }).length;
      const leases = Array.from({ length: 40 }, (_, i) => images.put(`frame-${i}`, picture));
      expect(descriptors()).toBeLessThanOrEqual(4);
      for (const lease of leases) lease.release();
      const again = Array.from({ length: 40 }, (_, i) => images.put(`again-${i}`, Uint8Array.of(i)));
      for (const [i, lease] of again.entries()) expect(readFileSync(lease.path)).toEqual(Buffer.of(i));
      images.close();
      expect(descriptors()).toBe(0);
    },
  );

  test('at most 64 images stand; the error says which are held', () => {
    const leases = Array.from({ length: 64 }, (_, i) => images.put(`frame-${i}`, Uint8Array.of(i)));
    const error = expectFailure('SHM_FULL', () => images.put('frame-64', picture));
    expect(error.message).toContain('All 64 image files');
    expect(error.message).toContain('frame-0, frame-1,');
    expect(error.context['ids']).toEqual(leases.map((lease) => lease.id));
    expect(bins(images.dir)).toHaveLength(64);
    leases[10]!.release();
    images.put('frame-64', picture);
    expect(images.count).toBe(64);
  });

  test('an id that is held, or leads to a held file name, is refused', () => {
    const lease = images.put('a/b', picture);
    const error = expectFailure('SHM_IN_USE', () => images.put('a:b', Uint8Array.of(1)));
    expect(error.message).toContain('a/b');
    expect(readFileSync(lease.path).equals(picture)).toBe(true);
    expect(images.count).toBe(1);
  });

  test('a file that is no lease of ours is never written over', () => {
    const path = join(images.dir, 'foreign.bin');
    writeFileSync(path, 'precious');
    expectFailure('SHM_IN_USE', () => images.put('foreign', picture));
    expect(readFileSync(path, 'utf8')).toBe('precious');
    expect(images.count).toBe(0);
    const hidden = readdirSync(images.dir, { recursive: true }).map(String);
    expect(hidden.filter((name) => /^\.[0-9a-f]/.test(basename(name)))).toEqual([]);
    rmSync(path);
    images.put('foreign', picture).release();
  });

  test('an image is put beside names and links that are there, and writes through none of them', () => {
    const target = join(temporaryDirectory(), 'precious');
    writeFileSync(target, 'precious');
    const work = join(images.dir, readdirSync(images.dir).find((name) => name.startsWith('.openmv')) ?? '');
    // Names that a counter would give, and the name of the image itself.
    for (const name of ['.0', '.1', '.2', 'linked.bin.part']) symlinkSync(target, join(work, name));
    symlinkSync(target, join(images.dir, 'linked.bin'));
    expectFailure('SHM_IN_USE', () => images.put('linked', picture));
    const lease = images.put('one', picture);
    expect(lstatSync(lease.path).isFile()).toBe(true);
    expect(readFileSync(lease.path).equals(picture)).toBe(true);
    expect(readFileSync(target, 'utf8')).toBe('precious');
    rmSync(join(images.dir, 'linked.bin'));
  });

  test('impossible ids and images are refused', () => {
    expectFailure('OPTION_INVALID', () => images.put('', picture));
    expectFailure('OPTION_INVALID', () => images.put('x'.repeat(201), picture));
    expectFailure('OPTION_INVALID', () => images.put(7 as unknown as string, picture));
    expectFailure('OPTION_INVALID', () => images.put('one', new Uint8Array(0)));
    expectFailure('OPTION_INVALID', () => images.put('one', 'text' as unknown as Uint8Array));
    expect(images.put('x'.repeat(200), picture).path).toContain(`${'x'.repeat(200)}.bin`);
  });

  test('a directory that another program removes is made again, told once, and nothing of it is left', () => {
    const told: string[] = [];
    images.close();
    const dir = kind === 'a private directory' ? {} : { dir: temporaryDirectory() };
    images = openImageFiles({ ...dir, onRemoved: ({ message }) => told.push(message) });
    const [before] = [statSync(images.dir).mode];
    const lease = images.put('one', picture);
    rmSync(images.dir, { recursive: true });
    const two = images.put('two', picture);
    images.put('three', picture);
    expect(told).toEqual([expect.stringContaining(images.dir)]);
    expect(readFileSync(two.path).equals(picture)).toBe(true);
    expect(statSync(images.dir).mode).toBe(before);
    // A bridge that starts meanwhile knows whose they are.
    openImageFiles(dir).close();
    expect(bins(images.dir)).toEqual(['three.bin', 'two.bin']);
    lease.release();
    expect(images.count).toBe(2);
    images.close();
    expect(existsSync(images.dir) ? readdirSync(images.dir) : []).toEqual([]);
  });

  test('a directory that cannot be made again is an error that says so, and close still works', () => {
    const lease = images.put('one', picture);
    rmSync(images.dir, { recursive: true });
    writeFileSync(images.dir, 'theirs');
    const error = expectFailure('FILE_FAILED', () => images.put('two', picture));
    expect(error.message).toContain('not a directory');
    lease.release();
    expect(images.count).toBe(0);
    rmSync(images.dir);
    images.put('three', picture);
    expect(bins(images.dir)).toEqual(['three.bin']);
  });

  test('close releases everything; afterwards nothing can be put', () => {
    const lease = images.put('one', picture);
    images.close();
    images.close();
    lease.release();
    expect(existsSync(lease.path)).toBe(false);
    expectFailure('SHM_FAILED', () => images.put('two', picture));
  });
});

test('the private directory is under /dev/shm, for this user alone, and gone after close', () => {
  const images = openImageFiles();
  expect(dirname(images.dir)).toBe('/dev/shm');
  expect(basename(images.dir)).toMatch(new RegExp(`^openmv-bridge-${process.pid}-`));
  expect(statSync(images.dir).mode & 0o777).toBe(0o700);
  expect(statSync(images.put('one', picture).path).mode & 0o777).toBe(0o600);
  images.close();
  expect(existsSync(images.dir)).toBe(false);
});

test('a given directory is created, keeps files of others, and stays', () => {
  const dir = join(temporaryDirectory(), 'made', 'here');
  const images = openImageFiles({ dir });
  images.put('one', picture);
  writeFileSync(join(dir, 'notes.bin'), 'mine');
  images.close();
  expect(readdirSync(dir)).toEqual(['notes.bin']);
});

test('an array of the same name, which adapters prefer, stops the image', () => {
  const dir = temporaryDirectory();
  const images = openImageFiles({ dir });
  writeFileSync(join(dir, 'one.npy'), 'array');
  const error = expectFailure('SHM_IN_USE', () => images.put('one', picture));
  expect(error.message).toContain('one.npy');
  images.close();
});

test('directories and limits that cannot be are refused', () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  expect(expectFailure('FILE_FAILED', () => openImageFiles({ dir: file })).message).toContain(
    'not a directory',
  );
  expectFailure('FILE_FAILED', () => openImageFiles({ dir: join(file, 'below') }));
  expectFailure('OPTION_INVALID', () => openImageFiles({ dir: '' }));
  for (const limit of [0, -1, 1.5, Number.NaN, 1e9])
    expectFailure('OPTION_INVALID', () => openImageFiles({ limit }));
});

test('a directory that no one may write is refused', () => {
  const error = expectFailure('FILE_FAILED', () => openImageFiles({ dir: '/sys' }));
  expect(error.message).toMatch(/may not write there|read-only/);
});

test('file names are those that an adapter makes of the ids', () => {
  const ids = fc.sample(
    fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }), fc.string({ minLength: 1 })),
    500,
  );
  ids.push('cam-1.2_x', '../../etc/passwd', 'a\0b', '😀😀', 'ß', '\n', '..', '/dev/shm/x');
  const program =
    'import json,re,sys; print(json.dumps([re.sub(r"[^a-zA-Z0-9._-]", "_", i) + ".bin" for i in json.load(sys.stdin)]))';
  const expected: unknown = JSON.parse(
    execFileSync(needed('python3'), ['-c', program], { input: JSON.stringify(ids), encoding: 'utf8' }),
  );
  expect(ids.map((id) => imageFileName(id))).toEqual(expected);
});

test('however much is open, the process has one exit listener, and none when all is closed', () => {
  const before = process.listenerCount('exit');
  const many = Array.from({ length: 30 }, () => openImageFiles());
  expect(process.listenerCount('exit')).toBe(before + 1);
  for (const images of many) images.close();
  expect(process.listenerCount('exit')).toBe(before);
  const forget = closeAtExit(() => {});
  forget();
  forget();
  expect(process.listenerCount('exit')).toBe(before);
});
