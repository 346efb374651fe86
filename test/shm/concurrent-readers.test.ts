import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openViznWriter } from '../../src/shm/vizn-writer.js';
import { Child, compile, fixture, startNode, uniqueName } from './support.js';

const WRITES = 200_000;
const SIZE = 128 + 4 * 6000;

interface Report {
  readonly frames: number;
  readonly bad: number;
  readonly retries: number;
}

test(`four readers in other processes see no torn frame in ${WRITES} writes`, {
  timeout: 300_000,
}, async () => {
  const name = uniqueName();
  const writer = openViznWriter({ name, size: SIZE });
  try {
    const readers = {
      python1: new Child('python3', [fixture('reader.py'), name, String(WRITES)]),
      python2: new Child('python3', [fixture('reader.py'), name, String(WRITES)]),
      cpp: new Child(compile('reader.cpp'), [name, String(SIZE), String(WRITES)]),
      node: startNode('reader.mjs', name, String(WRITES)),
    };
    for (const reader of Object.values(readers)) expect(await reader.line()).toBe('ready');

    const words = new Uint32Array(6000);
    for (let sequence = 1; sequence <= WRITES; sequence++) {
      const length = 1000 + (sequence % 5000);
      words.fill(sequence, 0, length);
      writer.write({
        jpeg: new Uint8Array(words.buffer, 0, 4 * length),
        width: (sequence % 4000) + 1,
        height: (sequence % 3000) + 1,
        timestampNs: BigInt(sequence) * 1000003n * 1000n,
        sequence,
      });
      if (sequence % 2000 === 0) await turn();
    }
    for (const [who, reader] of Object.entries(readers)) {
      const report = await reader.json<Report>();
      expect({ who, bad: report.bad }).toEqual({ who, bad: 0 });
      // It did read while frames were being written: more than the last one.
      expect(report.frames).toBeGreaterThan(10);
      expect(await reader.exited).toBe(0);
    }
  } finally {
    writer.close();
  }
});
