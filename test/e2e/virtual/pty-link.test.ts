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
import { openPty } from '../../../src/virtual/line/pty.js';
import { failure, openTtys } from '../port/helpers.js';

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

  it('replaces one whose pty was killed and its number given to another program', async () => {
    const link = join(folder, 'camera');
    // Another test may be given the number in between; not twenty times.
    for (let attempt = 0; attempt < 20; attempt++) {
      const killed = await openPty();
      symlinkSync(killed.slavePath, link);
      await killed.close();
      // The kernel's clock for files moves in steps of some milliseconds.
      await delay(20);
      const other = await openPty();
      if (other.slavePath !== killed.slavePath) {
        rmSync(link);
        await other.close();
        continue;
      }
      const master = await openPty(link);
      expect(readlinkSync(link)).toBe(master.slavePath);
      expect(master.slavePath).not.toBe(other.slavePath);
      await Promise.all([master.close(), other.close()]);
      return;
    }
    throw new Error('the number of a closed pty was never given to the next one');
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
