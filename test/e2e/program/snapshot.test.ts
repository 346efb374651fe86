/** `snapshot FILE`: whatever FILE is stays what it is, and no half file is left. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { MAIN, run } from './program.js';
import { PORT, useScratch } from './support.js';

const scratch = useScratch();
const snapshot = (file: string) => run(['snapshot', file, '--port', PORT]);

const isJpeg = (bytes: Buffer): boolean =>
  bytes.readUInt16BE(0) === 0xffd8 && bytes.readUInt16BE(bytes.length - 2) === 0xffd9;

describe('snapshot', () => {
  it('writes a file, and nothing beside it', async () => {
    await mkdir(scratch.path('new'));
    const { status, stderr } = await snapshot(scratch.path('new/s.jpg'));
    expect(status, stderr).toBe(0);
    expect(isJpeg(await readFile(scratch.path('new/s.jpg')))).toBe(true);
    expect(readdirSync(scratch.path('new'))).toEqual(['s.jpg']);
  });

  it("takes an older picture's place with its permissions", async () => {
    const path = scratch.path('old.jpg');
    await writeFile(path, 'an older one');
    await chmod(path, 0o640);
    expect((await snapshot(path)).status).toBe(0);
    expect(isJpeg(await readFile(path))).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('follows a symbolic link and leaves it one', async () => {
    await mkdir(scratch.path('real'));
    const link = scratch.path('link.jpg');
    await writeFile(scratch.path('real/target.jpg'), 'before');
    await symlink('real/target.jpg', link);
    expect((await snapshot(link)).status).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(isJpeg(await readFile(scratch.path('real/target.jpg')))).toBe(true);
  });

  it('makes the file that a dangling link leads to', async () => {
    const link = scratch.path('dangling.jpg');
    await symlink('made.jpg', link);
    expect((await snapshot(link)).status).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(isJpeg(await readFile(scratch.path('made.jpg')))).toBe(true);
  });

  it.each(['fifo', '/dev/null'])('refuses %s, which is no file', async (name) => {
    const path = name.startsWith('/') ? name : scratch.path(name);
    if (!existsSync(path)) execFileSync('mkfifo', [path]);
    const { status, stderr } = await snapshot(path);
    expect(stderr).toMatch(/device, a FIFO or a socket.*FILE_FAILED/s);
    expect(status).toBe(6);
  });

  it.each(['-', '/dev/stdout'])('%s is stdout', (file) => {
    const { stdout, status } = spawnSync(process.execPath, [MAIN, 'snapshot', file, '--port', PORT]);
    expect(status).toBe(0);
    expect(isJpeg(stdout)).toBe(true);
  });

  it.each([
    ['nowhere/s.jpg', /folder .*nowhere does not exist/],
    ['a-folder', /is a folder/],
    ['a-file/s.jpg', /a-file is no folder/],
  ])('%s: FILE_FAILED with advice, and 6', async (name, words) => {
    await mkdir(scratch.path('a-folder'), { recursive: true });
    await writeFile(scratch.path('a-file'), '');
    const { status, stderr } = await snapshot(scratch.path(name));
    expect(stderr).toMatch(words);
    expect(stderr).toContain('[FILE_FAILED]');
    expect(status).toBe(6);
  });

  it('leaves the older picture, and no other file, on a disk that is full', () => {
    needs('a mount namespace');
    const script =
      'mkdir -p "$2" && mount -t tmpfs -o size=8k tmpfs "$2" && echo before > "$2/s.jpg" && "$0" "$1" snapshot "$2/s.jpg" --port virtual; status=$?; ls -A "$2"; cat "$2/s.jpg"; exit $status';
    const { status, stderr, stdout } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, process.execPath, MAIN, scratch.path('full')],
      { encoding: 'utf8' },
    );
    expect(stderr).toMatch(/disk is full.*FILE_FAILED/s);
    expect(stdout).toBe('s.jpg\nbefore\n');
    expect(status).toBe(6);
  });

  it('refuses a timeout that is none', async () => {
    const path = scratch.path('never.jpg');
    const { status, stderr } = await run(['snapshot', path, '--port', PORT, '--timeout', 'abc']);
    expect(stderr).toMatch(/--timeout.*abc/s);
    expect(status).toBe(2);
    expect(existsSync(path)).toBe(false);
  });
});
