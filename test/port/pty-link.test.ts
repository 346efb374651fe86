import { execFile } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPty } from '../../src/port/index.js';
import { failure, openTtys } from './helpers.js';

let folder = '';
let before: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pty-'));
  before = openTtys();
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  expect(openTtys()).toEqual(before);
});

describe("a pty's link", () => {
  it('leads to the slave and is gone after close', async () => {
    const link = join(folder, 'camera');
    const master = await openPty(link);
    expect([master.linkPath, readlinkSync(link)]).toEqual([link, master.slavePath]);
    await master.close();
    expect(existsSync(link)).toBe(false);
  });

  it('is gone after hangUp, and a link that was replaced meanwhile stays', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    const first = await openPty(one);
    const second = await openPty(two);
    first.hangUp();
    expect(() => lstatSync(one)).toThrow();
    rmSync(two);
    symlinkSync('/dev/null', two);
    second.hangUp();
    expect(readlinkSync(two)).toBe('/dev/null');
    await Promise.all([first.close(), second.close()]);
  });

  it('replaces one whose target is gone', async () => {
    const link = join(folder, 'camera');
    symlinkSync('/dev/pts/99999', link);
    const master = await openPty(link);
    expect(readlinkSync(link)).toBe(master.slavePath);
    await master.close();
  });

  it('replaces one whose number went to the pty of a later process', async () => {
    const link = join(folder, 'camera');
    const later = await openPtyInChild((path) => symlinkSync(path, link));
    const master = await openPty(link);
    expect(readlinkSync(link)).toBe(master.slavePath);
    await master.close();
    await later.stop();
  });

  it('refuses one that a living process serves', async () => {
    const link = join(folder, 'camera');
    const first = await openPty(link);
    const error = await failure(openPty(link), 'PORT_BUSY');
    expect(error.message).toContain(`(process ${process.pid})`);
    expect(readlinkSync(link)).toBe(first.slavePath);
    await first.close();
  });

  it('refuses a name that something else has, and a folder that does not exist', async () => {
    const [file, sub, other] = [join(folder, 'file'), join(folder, 'sub'), join(folder, 'other')];
    writeFileSync(file, 'precious');
    mkdirSync(sub);
    symlinkSync(file, other);
    for (const path of [file, sub, other, join(folder, 'missing', 'camera')]) {
      expect((await failure(openPty(path), 'OPTION_INVALID')).message).toContain(path);
    }
    expect(readlinkSync(other)).toBe(file);
  });
});

/** A pty of another process, made after `atStart` saw which number is free; the process outlives the call. */
async function openPtyInChild(atStart: (nextPath: string) => void): Promise<{ stop(): Promise<void> }> {
  const scout = await openPty();
  const path = scout.slavePath;
  await scout.close();
  atStart(path);
  // The kernel's clock for processes is coarser than that for files.
  await delay(50);
  const program = `const koffi = require('koffi'); const libc = koffi.load(null);
    const fd = libc.func('int posix_openpt(int)')(2); libc.func('int unlockpt(int)')(fd);
    process.stdout.write('open'); process.stdin.on('end', () => process.exit()).resume();`;
  const child = execFile(process.execPath, ['-e', program]);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  expect(existsSync(path)).toBe(true);
  return {
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.stdin?.end();
      }),
  };
}
