/** Files that are whole or not there. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeNew, writeWhole } from '../../src/files.js';

/** What the name of the next part ends with, when a test foretells it. */
const chance = vi.hoisted(() => ({ bytes: undefined as Buffer | undefined }));
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  return { ...crypto, randomBytes: (size: number) => chance.bytes ?? crypto.randomBytes(size) };
});

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'files-'));
});
afterEach(() => {
  chance.bytes = undefined;
  rmSync(dir, { recursive: true });
});
const at = (name: string) => join(dir, name);
const bytes = (text: string) => Buffer.from(text);
const WHAT = 'The text cannot be written';

describe('writeWhole', () => {
  it('replaces a file, keeps its permissions, and leaves nothing beside it', async () => {
    writeFileSync(at('a'), 'old');
    chmodSync(at('a'), 0o666);
    await writeWhole(WHAT, at('a'), bytes('new'));
    expect([readFileSync(at('a'), 'utf8'), statSync(at('a')).mode & 0o777]).toEqual(['new', 0o666]);
    expect(readdirSync(dir)).toEqual(['a']);
  });

  it('follows links, also to a file that is not there yet', async () => {
    mkdirSync(at('below'));
    symlinkSync('below/second', at('first'));
    symlinkSync('../target', at('below/second'));
    await writeWhole(WHAT, at('first'), bytes('through'));
    expect(readFileSync(at('target'), 'utf8')).toBe('through');
    expect(lstatSync(at('first')).isSymbolicLink()).toBe(true);
  });

  it('ends where links lead in a circle', async () => {
    symlinkSync('b', at('a'));
    symlinkSync('a', at('b'));
    await expect(writeWhole(WHAT, at('a'), bytes('x'))).rejects.toMatchObject({ code: 'FILE_FAILED' });
  });

  it.each([
    ['missing/a', /the folder .*missing does not exist/],
    ['file/a', /file is no folder/],
    ['.', /it is a folder/],
  ])('says why %s cannot be written', async (name, words) => {
    writeFileSync(at('file'), '');
    await expect(writeWhole(WHAT, at(name), bytes('x'))).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringMatching(words),
    });
  });
});

describe('writeNew', () => {
  it('writes a file, and never in the place of another', async () => {
    await writeNew(at('a'), bytes('first'));
    await expect(writeNew(at('a'), bytes('second'))).rejects.toMatchObject({ code: 'EEXIST' });
    symlinkSync('nowhere', at('link'));
    await expect(writeNew(at('link'), bytes('second'))).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(at('a'), 'utf8')).toBe('first');
    expect(readdirSync(dir).sort()).toEqual(['a', 'link']);
  });
});

describe('the part that is written first', () => {
  it.each([
    ['writeWhole', (path: string) => writeWhole(WHAT, path, bytes('secret'))],
    ['writeNew', (path: string) => writeNew(path, bytes('secret'))],
  ])('%s opens no link that another program put there', async (_name, write) => {
    chance.bytes = Buffer.alloc(6, 7);
    writeFileSync(at('victim'), 'untouched');
    symlinkSync('victim', at('.a.070707070707.part'));
    await expect(write(at('a'))).rejects.toThrow(/EEXIST|already/);
    expect(readFileSync(at('victim'), 'utf8')).toBe('untouched');
    expect(readdirSync(dir).sort()).toEqual(['.a.070707070707.part', 'victim']);
  });
});
