import {
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openImageFiles } from '../../../src/shm/images/image-files.js';
import { encodeOwner } from '../../../src/shm/memory/owner.js';
import { isRoot, startNode, temporaryDirectory } from './support.js';

const DEAD = encodeOwner({ pid: 4_194_305, startTime: 1, pidNamespace: 0 });
const AN_HOUR_AGO = Date.now() / 1000 - 3600;
const planted: string[] = [];

afterEach(() => {
  for (const path of planted.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** A directory under /dev/shm as a process that died would leave it. */
function plant(suffix: string, marker: Uint8Array | undefined, files: string[] = []): string {
  const path = `/dev/shm/openmv-bridge-4194305-${suffix}`;
  planted.push(path);
  mkdirSync(path);
  if (marker !== undefined) writeFileSync(join(path, 'owner'), marker);
  for (const file of files) writeFileSync(join(path, file), 'x');
  return path;
}

function openAndClose(dir?: string): void {
  openImageFiles(dir === undefined ? {} : { dir }).close();
}

test('a private directory is removed at exit, and after a kill by the next one that opens', async () => {
  const leaving = startNode('images.mjs');
  const { dir: left } = await leaving.json<{ dir: string }>();
  expect(readdirSync(left)).toContain('two_2.bin');
  leaving.say('exit');
  expect(await leaving.exited).toBe(0);
  expect(existsSync(left)).toBe(false);

  const killed = startNode('images.mjs');
  const living = startNode('images.mjs');
  const { dir: dead } = await killed.json<{ dir: string }>();
  const { dir: live } = await living.json<{ dir: string }>();
  await killed.kill();
  openAndClose();
  expect(existsSync(dead)).toBe(false);
  expect(readdirSync(live)).toContain('one.bin');
  await living.kill();
  openAndClose();
  expect(existsSync(live)).toBe(false);
});

test('in a given directory, the files of a dead owner go and all others stay', async () => {
  const dir = temporaryDirectory();
  writeFileSync(join(dir, 'precious.bin'), 'of somebody else');
  const killed = startNode('images.mjs', dir);
  await killed.json();
  await killed.kill();
  expect(readdirSync(dir)).toContain('one.bin');
  // An image that somebody replaced by a file of his own is not ours any more.
  rmSync(join(dir, 'two_2.bin'));
  writeFileSync(join(dir, 'two_2.bin'), 'of somebody else');

  openAndClose(dir);
  expect(readdirSync(dir).sort()).toEqual(['precious.bin', 'two_2.bin']);
});

test('in a given directory, the files of a living owner stay', async () => {
  const dir = temporaryDirectory();
  const living = startNode('images.mjs', dir);
  await living.json();
  const before = readdirSync(dir).sort();
  openAndClose(dir);
  expect(readdirSync(dir).sort()).toEqual(before);
  living.say('exit');
  await living.exited;
  expect(readdirSync(dir)).toEqual([]);
});

test('only what is certainly a dead process’s is removed', () => {
  const dead = plant('dead00', DEAD, ['one.bin', '.0']);
  const garbled = plant('garble', Uint8Array.of(1, 2, 3), ['one.bin']);
  const unsigned = plant('unsign', undefined, ['one.bin']);
  const empty = plant('empty0', undefined);
  const young = plant('young0', undefined);
  // Killed between making the marker and signing it.
  const unwritten = plant('unwrit', Uint8Array.of());
  const unwrittenFull = plant('unwfil', Uint8Array.of(), ['one.bin']);
  const otherName = plant('name-of-another-form', DEAD);
  for (const path of [unsigned, empty, unwritten, unwrittenFull]) utimesSync(path, AN_HOUR_AGO, AN_HOUR_AGO);

  openAndClose();
  const all = { dead, garbled, unsigned, empty, young, unwritten, unwrittenFull, otherName };
  expect(
    Object.entries(all)
      .filter(([, path]) => existsSync(path))
      .map(([name]) => name),
  ).toEqual(['garbled', 'unsigned', 'young', 'unwrittenFull', 'otherName']);
});

test('a link to a directory is not followed', () => {
  const target = temporaryDirectory();
  writeFileSync(join(target, 'owner'), DEAD);
  writeFileSync(join(target, 'precious.bin'), 'x');
  const link = '/dev/shm/openmv-bridge-4194305-link00';
  planted.push(link);
  symlinkSync(target, link);
  openAndClose();
  expect(readdirSync(target).sort()).toEqual(['owner', 'precious.bin']);
});

test.skipIf(!isRoot)('another user’s directory is not touched (needs root to make one)', () => {
  const path = plant('other0', DEAD, ['one.bin']);
  chownSync(path, 12_345, 12_345);
  openAndClose();
  expect(readdirSync(path).sort()).toEqual(['one.bin', 'owner']);
});

test('a file that only shares its name with a dead image stays; one that is the same file goes', () => {
  const dir = temporaryDirectory();
  const work = join(dir, '.openmv-bridge-4194305-dead00');
  mkdirSync(work);
  writeFileSync(join(work, 'owner'), DEAD);
  writeFileSync(join(work, '.0'), 'image');
  linkSync(join(work, '.0'), join(dir, 'ours.bin'));
  linkSync(join(work, '.0'), join(dir, 'kept-copy.jpg'));
  writeFileSync(join(dir, 'theirs.bin'), 'image');
  openAndClose(dir);
  expect(readdirSync(dir).sort()).toEqual(['kept-copy.jpg', 'theirs.bin']);
});
