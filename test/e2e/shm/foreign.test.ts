import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeOwner, thisOwner } from '../../../src/shm/memory/owner.js';
import { openViznReader } from '../../../src/shm/vizn/vizn-reader.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { needs } from '../../support/needs.js';
import {
  compileReader,
  expectFailure,
  isRoot,
  pathOf,
  READERS,
  temporaryDirectory,
  uniqueName,
} from './support.js';

const SIZE = 4096;
/** No process has this pid: Linux stops at 4194304. */
const DEAD = { pid: 4_194_305, startTime: 1, pidNamespace: 0 };

function abandoned(): Buffer {
  const file = Buffer.alloc(SIZE);
  file.writeUInt32LE(0x56495a4e, 0);
  file.set(encodeOwner(DEAD), 56);
  return file;
}

let name: string;

beforeEach(() => {
  name = uniqueName();
});

describe('a name that is not ours to take', () => {
  afterEach(() => unlinkSync(pathOf(name)));

  function expectRefused(why: string): void {
    const error = expectFailure('SHM_IN_USE', () => openViznWriter({ name, size: SIZE }));
    expect(error.message).toContain(why);
  }

  test('a symbolic link is not followed, neither to a file nor to nowhere', () => {
    const victim = join(temporaryDirectory(), 'victim');
    writeFileSync(victim, abandoned());
    symlinkSync(victim, pathOf(name));
    expectRefused('symbolic link');
    expectFailure('SHM_FAILED', () => openViznReader(name));
    expect(readFileSync(victim).equals(abandoned())).toBe(true);
    expect(readlinkSync(pathOf(name))).toBe(victim);
    unlinkSync(victim);
    expectRefused('symbolic link');
    expect(existsSync(victim)).toBe(false);
  });

  test.each([
    ['of another kind', Buffer.from('precious data')],
    ['as large as a segment', Buffer.alloc(SIZE, 7)],
    ['a VIZN segment without an owner', abandoned().fill(0, 56, 80)],
    ['a leftover of another layout', abandoned().fill(0, 0, 4)],
    ['empty', Buffer.alloc(0)],
  ])('a file %s stays as it is', (_, content) => {
    writeFileSync(pathOf(name), content);
    expectRefused('another program');
    expect(readFileSync(pathOf(name)).equals(content)).toBe(true);
  });

  test('a segment whose owner lives stays, also where the file system knows no locks', () => {
    const file = abandoned();
    file.set(encodeOwner(thisOwner()), 56);
    writeFileSync(pathOf(name), file);
    expectRefused(`process ${process.pid}`);
    expect(readFileSync(pathOf(name)).equals(file)).toBe(true);
  });

  test('a named pipe stops no one', () => {
    execFileSync('mkfifo', [pathOf(name)]);
    expectRefused('not a regular file');
    expectFailure('SHM_INVALID', () => openViznReader(name));
  });

  test.skipIf(!isRoot)('a leftover of another user stays (needs root to make one)', () => {
    writeFileSync(pathOf(name), abandoned());
    chownSync(pathOf(name), 12_345, 12_345);
    expectRefused('uid 12345');
    expect(statSync(pathOf(name)).uid).toBe(12_345);
  });
});

test('a directory under the name is refused', () => {
  mkdirSync(pathOf(name));
  expectFailure('SHM_IN_USE', () => openViznWriter({ name, size: SIZE }));
  expectFailure('SHM_INVALID', () => openViznReader(name));
  rmdirSync(pathOf(name));
});

test.skipIf(!isRoot)(
  "a stranger's segment that everybody may write to is not read, in any language (needs root to make one)",
  () => {
    const header = Buffer.alloc(SIZE);
    header.writeUInt32LE(0x56495a4e, 0);
    writeFileSync(pathOf(name), header);
    chownSync(pathOf(name), 12_345, 12_345);
    needs('python3');
    const python = () =>
      spawnSync('python3', ['-c', `import openmv_shm; openmv_shm.open(${JSON.stringify(name)})`], {
        env: { ...process.env, PYTHONPATH: READERS, PYTHONDONTWRITEBYTECODE: '1' },
      });
    const program = compileReader('example.cpp');
    chmodSync(pathOf(name), 0o644);
    openViznReader(name).close();
    expect(python().status).toBe(0);
    expect(spawnSync(program, [name, '0']).status).toBe(0);
    chmodSync(pathOf(name), 0o666);
    expect(expectFailure('SHM_INVALID', () => openViznReader(name)).message).toContain('12345');
    expect(String(python().stderr)).toContain('may be written by everybody');
    const refused = spawnSync(program, [name, '0']);
    expect([refused.status, String(refused.stderr)]).toEqual([
      1,
      expect.stringContaining('may be written by everybody'),
    ]);
    unlinkSync(pathOf(name));
  },
);

test('what is ours and whose owner is dead is taken over', () => {
  writeFileSync(pathOf(name), abandoned());
  const writer = openViznWriter({ name, size: SIZE });
  expect(readFileSync(pathOf(name)).readUInt32LE(60)).toBe(process.pid);
  writer.close();
  expect(existsSync(pathOf(name))).toBe(false);
});
