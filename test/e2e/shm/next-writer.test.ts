/** Readers over the end of a writer and the start of the next one, in every language. */
import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openArrayReader } from '../../../src/shm/arrays/array-reader.js';
import { openArrayWriter } from '../../../src/shm/arrays/array-writer.js';
import { waitForShm } from '../../../src/shm/open-shm.js';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { Child, closing, compileReader, fixture, pathOf, READERS, startNode, uniqueName } from './support.js';

const frame = (sequence: number) => ({
  jpeg: Uint8Array.of(1, 2),
  width: 1,
  height: 1,
  timestampMs: 1,
  sequence,
});

/** A reader that does what it is asked to. */
class Asked extends Child {
  async ask<T>(line: string): Promise<T> {
    this.say(line);
    return this.json<T>();
  }
}

const LANGUAGES: Record<string, (name: string) => Asked> = {
  node: (name) => new Asked(process.execPath, [fixture('asked.mjs'), name]),
  python: (name) => new Asked('python3', ['-B', fixture('asked.py'), name]),
  'c++': (name) => new Asked(compileReader('asked.cpp'), [name]),
};

describe.each(Object.keys(LANGUAGES))('%s', (language) => {
  const start = (name: string): Asked => LANGUAGES[language]!(name);

  test('latest() is that of the writer there is: over a kill, over an end, of any layout', async () => {
    const name = uniqueName();
    const first = startNode('writer.mjs', name, '4096', 'hold');
    await first.json();
    const reader = start(name);
    expect(await reader.json()).toBe('open');
    expect(await reader.ask('latest')).toBe(1);
    await first.kill();
    // No one has the name yet: what is whole stays readable.
    expect([await reader.ask('status'), await reader.ask('latest')]).toEqual(['stale', 1]);
    const second = closing(openViznWriter({ name, size: 4_096 }));
    expect([await reader.ask('status'), await reader.ask('latest')]).toEqual(['gone', null]);
    second.write(frame(7));
    expect([await reader.ask('latest'), await reader.ask('status')]).toEqual([7, 'live']);
    second.close();
    expect([await reader.ask('latest'), await reader.ask('status')]).toEqual([null, 'gone']);
    writeFileSync(pathOf(name), new Uint8Array(4_096).fill(1));
    expect(await reader.ask('latest')).toBeNull();
    openRingOver(name).write(frame(9));
    expect(await reader.ask('latest')).toBe(9);
    await reader.kill();
  });

  function openRingOver(name: string) {
    rmSync(pathOf(name));
    return closing(openRingWriter({ name, slotSize: 1_000 }));
  }

  test('a reader that is started first waits; /base_image is found as /base_image_shm', async () => {
    const base = uniqueName().slice(1);
    const reader = start(`/${base}_image`);
    await sleep(300);
    const writer = closing(openArrayWriter({ base }));
    await writer.setImage(Uint8Array.of(1), { sequence: 41 });
    expect(await reader.json()).toBe('open');
    expect([await reader.ask('name'), await reader.ask('latest')]).toEqual([`/${base}_image_shm`, 41]);
    await reader.kill();
  });
});

describe.each(['python', 'c++'])('%s', (language) => {
  const start = (name: string): Asked => LANGUAGES[language]!(name);

  test.each(['next', 'place'])(
    '%s() waits out its time while no one has the name, and goes on',
    async (how) => {
      const name = uniqueName();
      const first = openRingWriter({ name, slotSize: 1_000 });
      first.write(frame(1));
      const reader = start(name);
      expect(await reader.json()).toBe('open');
      first.write(frame(2));
      first.close();
      // What it had to give comes before the end.
      expect([await reader.ask(`${how} 5`), await reader.ask(`${how} 5`)]).toEqual([1, 2]);
      expect(await reader.ask(`${how} 0.05`)).toBeNull();
      expect(await reader.ask('status')).toBe('gone');
      // Longer than the half second between two looks at the writer: it does not come back for being gone.
      const waiting = reader.ask(`${how} 30`);
      await sleep(700);
      const second = closing(openRingWriter({ name, slotSize: 1_000 }));
      second.write(frame(11));
      expect(await waiting).toBe(11);
      second.write(frame(12));
      expect(await reader.ask(`${how} 30`)).toBe(12);
      await reader.kill();
    },
  );

  test('reopen() tells whether there is something new', async () => {
    const name = uniqueName();
    const first = openViznWriter({ name, size: 4_096 });
    first.write(frame(1));
    const reader = start(name);
    expect(await reader.json()).toBe('open');
    expect(await reader.ask('reopen 0')).toBe(false);
    expect(await reader.ask('latest')).toBe(1);
    first.close();
    expect(await reader.ask('reopen 0.05')).toBe(false);
    const waiting = reader.ask('reopen 30');
    await sleep(100);
    closing(openViznWriter({ name, size: 4_096 })).write(frame(5));
    expect(await waiting).toBe(true);
    expect(await reader.ask('latest')).toBe(5);
    await reader.kill();
  });
});

test('the Python reader lives with views that are kept of frames in place: over a restart, and to its close', async () => {
  const name = uniqueName();
  const first = openRingWriter({ name, slotSize: 1_000 });
  first.write(frame(1));
  const child = new Child('python3', ['-B', fixture('kept.py'), READERS, name]);
  expect(await child.json()).toEqual({ used: 1, kept: [1, 2] });
  first.close();
  const second = closing(openRingWriter({ name, slotSize: 1_000 }));
  for (const sequence of [5, 6]) second.write(frame(sequence));
  expect(await child.json()).toEqual({ used: 5, kept: [1, 2] });
  expect(await child.json()).toEqual({ descriptors: 0, kept: [1, 2], wholeAfterClose: true });
  expect(await child.exited).toBe(0);
});

test('waitForShm() ends with what openShm() says when the time is up, and with its signal', async () => {
  const name = uniqueName();
  await expect(waitForShm(name, { timeoutMs: 60 })).rejects.toMatchObject({
    code: 'SHM_FAILED',
    context: { errno: 'ENOENT' },
  });
  await expect(waitForShm('/a/b')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  const stop = new AbortController();
  const waiting = waitForShm(name, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  const opening = waitForShm(name);
  closing(openViznWriter({ name, size: 4_096 })).write(frame(3));
  expect(closing(await opening).latest()?.sequence).toBe(3);
});

test('a channel whose writer has ended has no array', async () => {
  const base = uniqueName().slice(1);
  const writer = openArrayWriter({ base });
  await writer.setImage(Uint8Array.of(1));
  const reader = closing(openArrayReader(base));
  expect((await reader.getImage())?.sequence).toBe(1);
  writer.close();
  expect([await reader.getImage(), reader.getShape('image')]).toEqual([undefined, undefined]);
});
