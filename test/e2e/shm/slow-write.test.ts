/** Readers against a writer that takes its time: a large frame, or a moment without the processor. */
import { expect, test } from 'vitest';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { Child, compileReader, fixture, startNode, uniqueName } from './support.js';

function reader(language: string, name: string): Child {
  if (language === 'node') return startNode('slow_write.mjs', name);
  if (language === 'python') return new Child('python3', ['-B', fixture('slow_write.py'), name]);
  return new Child(compileReader('slow_write.cpp'), [name]);
}

test.each(['node', 'python', 'c++'])(
  '%s: latest() waits for the end of a write, and not for ever when there is none',
  async (language) => {
    const name = uniqueName();
    const writer = openViznWriter({ name, size: 4_096 });
    writer.write({ jpeg: Uint8Array.of(1), width: 1, height: 1, timestampMs: 1, sequence: 9 });
    const child = reader(language, name);
    expect(await child.json()).toEqual([9, null]);
    expect(await child.exited).toBe(0);
    writer.close();
  },
);
