import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { openViznWriter, type ViznFrame } from '../../../src/shm/vizn/vizn-writer.js';
import { Child, compile, compileReader, fixture, READERS, startNode, uniqueName } from './support.js';

const WRITES = 1_000_000;
const RING_WRITES = 200_000;
const SIZE = 128 + 4 * 6000;

interface Report {
  readonly frames: number;
  readonly bad: number;
  readonly retries: number;
}

/** Frame n has a length, a size and a time that follow from n, and is full of it. */
async function flood(
  writer: { write(frame: ViznFrame & { jpeg: Uint8Array }): void },
  writes: number,
): Promise<void> {
  const words = new Uint32Array(6000);
  for (let sequence = 1; sequence <= writes; sequence++) {
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
}

async function expectWhole(readers: Record<string, Child>): Promise<void> {
  for (const [who, reader] of Object.entries(readers)) {
    const report = await reader.json<Report>();
    expect({ who, bad: report.bad }).toEqual({ who, bad: 0 });
    // It did read while frames were being written: more than the last one.
    expect(report.frames).toBeGreaterThan(10);
    expect(await reader.exited).toBe(0);
  }
}

// The readers of `tools/readers`, of the library, and one in C++ that knows the layout alone.
test(`four readers in other processes see no torn frame in ${WRITES} writes`, {
  timeout: 300_000,
}, async () => {
  const name = uniqueName();
  const writer = openViznWriter({ name, size: SIZE });
  try {
    const readers = {
      python: new Child('python3', [fixture('module_reader.py'), READERS, name, String(WRITES)]),
      header: new Child(compileReader('header_reader.cpp'), [name, String(WRITES)]),
      cpp: new Child(compile('reader.cpp'), [name, String(SIZE), String(WRITES)]),
      node: startNode('reader.mjs', name, String(WRITES)),
    };
    for (const reader of Object.values(readers)) expect(await reader.line()).toBe('ready');
    await flood(writer, WRITES);
    await expectWhole(readers);
  } finally {
    writer.close();
  }
});

test(`nor in ${RING_WRITES} writes to a ring, copied or in place`, { timeout: 300_000 }, async () => {
  const name = uniqueName();
  const writer = openRingWriter({ name, slots: 8, slotSize: SIZE });
  try {
    const readers = {
      python: new Child('python3', [fixture('module_reader.py'), READERS, name, String(RING_WRITES)]),
      header: new Child(compileReader('header_reader.cpp'), [name, String(RING_WRITES)]),
      copying: startNode('ring_reader.mjs', name, 'next', String(RING_WRITES)),
      inPlace: startNode('ring_reader.mjs', name, 'place', String(RING_WRITES)),
    };
    for (const reader of Object.values(readers)) expect(await reader.line()).toBe('ready');
    await flood(writer, RING_WRITES);
    await expectWhole(readers);
  } finally {
    writer.close();
  }
});
