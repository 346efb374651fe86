/** What is closed or cut short by another program is an error for anyone who reads or writes it, and never a crash. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openArrayReader } from '../../../src/shm/arrays/array-reader.js';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { Child, compileReader, pathOf, READERS, startNode, uniqueName } from './support.js';

const FRAME = { jpeg: Uint8Array.of(1), width: 1, height: 1, timestampMs: 1, sequence: 1 };

function waiting(language: string, name: string): Child {
  if (language === 'node') return startNode('waiting.mjs', name);
  if (language === 'python') return new Child('python3', ['-B', join(READERS, 'example.py'), name]);
  return new Child(compileReader('example.cpp'), [name]);
}

/** A segment of another program, which wakes no one, and a ring whose readers sleep until they are woken. */
const SEGMENTS: Record<string, (name: string) => () => void> = {
  'a foreign VIZN segment': (name) => {
    const writer = openViznWriter({ name, size: 4_096 });
    writer.write(FRAME);
    const bytes = readFileSync(pathOf(name)).fill(0, 56, 128);
    writer.close();
    writeFileSync(pathOf(name), bytes);
    return () => rmSync(pathOf(name));
  },
  'a ring': (name) => {
    const writer = openRingWriter({ name, slotSize: 1_000 });
    writer.write(FRAME);
    return () => {
      // The ring's own bytes are gone for its writer, too.
      truncateSync(pathOf(name), writer.size);
      writer.close();
    };
  },
};

test.each(
  Object.keys(SEGMENTS).flatMap((what) => ['node', 'python', 'c++'].map((language) => [what, language])),
)('%s that is cut short while a %s reader waits', async (what, language) => {
  const name = uniqueName();
  const remove = SEGMENTS[what!]!(name);
  try {
    const child = waiting(language!, name);
    expect(await child.line()).toMatch(/^1\b/);
    truncateSync(pathOf(name), 0);
    expect(await child.exited).toBe(1);
  } finally {
    remove();
  }
});

test.each([
  ['state after close', 'SHM_FAILED'],
  ['state of a cut segment', 'SHM_INVALID'],
  ['close while a write waits for the lock', 'ok'],
])('arrays: %s', async (what, result) => {
  const child = startNode('no_crash.mjs', uniqueName().slice(1), what);
  expect(await child.json()).toBe(result);
  expect(await child.exited).toBe(0);
});

test('an array whose semaphore is too short to be one', async () => {
  const base = uniqueName().slice(1);
  const segment = Buffer.alloc(80);
  segment.writeUInt32LE(0x12345678, 0);
  segment.writeUInt32LE(1, 8);
  segment.writeUInt32LE(16, 12);
  segment.writeDoubleLE(1, 32);
  writeFileSync(pathOf(`/${base}_image_shm`), segment);
  writeFileSync(pathOf(`/sem.${base}_image_sem`), '');
  const reader = openArrayReader(base);
  await expect(reader.getImage()).rejects.toMatchObject({ code: 'SHM_INVALID' });
  reader.close();
  rmSync(pathOf(`/${base}_image_shm`));
  rmSync(pathOf(`/sem.${base}_image_sem`));
});

test('a C++ reader that found nothing to reopen has no frame, and what it cannot do is an error', async () => {
  const name = uniqueName();
  const program = compileReader('unmapped.cpp');
  const writer = openRingWriter({ name, slotSize: 1_000 });
  const child = new Child(program, [name]);
  expect(await child.line()).toBe('open');
  rmSync(pathOf(name));
  writeFileSync(pathOf(name), new Uint8Array(4_096).fill(1));
  child.say('go');
  const said = child.json();
  await expect(said.finally(() => rmSync(pathOf(name)))).resolves.toEqual({ errors: 1, gone: true });
  writer.close();
});
