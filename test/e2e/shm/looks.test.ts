/** Readers of a ring against a writer that takes a step between any two loads of theirs. */
import { expect, test } from 'vitest';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { Child, compileReader, fixture, startNode, uniqueName } from './support.js';

const SLOTS = 8;

function reader(language: string, ...args: string[]): Child {
  if (language === 'node') return startNode('looks.mjs', ...args);
  if (language === 'python') return new Child('python3', ['-B', fixture('looks.py'), ...args]);
  return new Child(compileReader('looks.cpp'), args);
}

test.each(
  ['node', 'python', 'c++'].flatMap((language) => ['copy', 'place'].map((manner) => [language, manner])),
)(
  '%s, %s: a frame that the writer overwrites is whole, or said not to be, or missed',
  async (language, manner) => {
    const name = uniqueName();
    const writer = openRingWriter({ name, slots: SLOTS, slotSize: 1_000 });
    for (let n = 1; n <= SLOTS; n++) {
      writer.write({
        jpeg: new Uint8Array(100 + n).fill(n),
        width: 1,
        height: 1,
        timestampMs: 1,
        sequence: n,
      });
    }
    const child = reader(language!, name, manner!);
    const { cases, wrong } = await child.json<{ cases: number; wrong: unknown[] }>();
    expect(wrong).toEqual([]);
    expect(cases).toBeGreaterThan(20);
    writer.close();
  },
);
