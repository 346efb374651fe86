import { unlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { openViznReader } from '../../../src/shm/vizn/vizn-reader.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { pathOf, uniqueName } from '../../e2e/shm/support.js';

const name = uniqueName();
const SIZE = 4096;

function goodFile(): Buffer {
  const file = Buffer.alloc(SIZE);
  file.writeUInt32LE(0x56495a4e, 0);
  file.writeUInt32LE(640, 4);
  file.writeUInt32LE(480, 8);
  file.writeUInt32LE(4, 12);
  file.writeUInt32LE(1000, 16);
  file.writeBigUInt64LE(1_700_000_000_000_000_000n, 24);
  file.writeUInt32LE(7, 32);
  file.writeUInt32LE(14, 36);
  file.write('MJPG', 40);
  file.write('OMVB', 56);
  file.writeUInt32LE(process.pid, 60);
  for (let i = 128; i < SIZE; i++) file[i] = i % 251;
  return file;
}

const edge = fc.constantFrom(
  0,
  1,
  127,
  128,
  SIZE - 128,
  SIZE - 127,
  SIZE,
  0x7fffffff,
  0x80000000,
  0xffffff80,
  0xffffffff,
);
const mutation = fc.oneof(
  fc.record({ at: fc.integer({ min: 0, max: 127 }), byte: fc.integer({ min: 0, max: 255 }) }),
  fc.record({
    at: fc.nat({ max: 31 }).map((word) => word * 4),
    word: fc.oneof(edge, fc.nat({ max: 0xffffffff })),
  }),
);

afterEach(() => {
  try {
    unlinkSync(pathOf(name));
  } catch {
    // The last run made none.
  }
});

test('a reader of any header gives bytes of the file or a BridgeError, and touches nothing outside', () => {
  let read = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(mutation, { maxLength: 6 }),
      fc.oneof(fc.constant(SIZE), fc.integer({ min: 0, max: SIZE })),
      (mutations, length) => {
        const file = goodFile().subarray(0, length);
        for (const one of mutations) {
          if (one.at + 4 > length) continue;
          if ('byte' in one) file[one.at] = one.byte;
          else file.writeUInt32LE(one.word, one.at);
        }
        writeFileSync(pathOf(name), file);
        try {
          const reader = openViznReader(name);
          try {
            reader.state();
            const frame = reader.latest();
            if (frame === undefined) return;
            read++;
            const size = file.readUInt32LE(16);
            expect(size).toBeLessThanOrEqual(length - 128);
            expect(Buffer.from(frame.data).equals(file.subarray(128, 128 + size))).toBe(true);
            expect(frame.format.length).toBeLessThanOrEqual(16);
          } finally {
            reader.close();
          }
        } catch (error) {
          if (!(error instanceof BridgeError)) throw error;
          expect(error.code).toBe('SHM_INVALID');
          refused++;
        }
      },
    ),
    { numRuns: 1500 },
  );
  // It went both ways often.
  expect(read).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(100);
});

test('a writer meets any leftover: it takes it over or refuses it, with a BridgeError', () => {
  fc.assert(
    fc.property(
      fc.array(mutation, { maxLength: 6 }),
      fc.integer({ min: 0, max: SIZE }),
      (mutations, length) => {
        const file = goodFile().subarray(0, length);
        for (const one of mutations) {
          if (one.at + 4 > length) continue;
          if ('byte' in one) file[one.at] = one.byte;
          else file.writeUInt32LE(one.word, one.at);
        }
        writeFileSync(pathOf(name), file);
        try {
          const writer = openViznWriter({ name, size: SIZE });
          writer.write({ jpeg: Uint8Array.of(1), width: 1, height: 1, timestampMs: 1, sequence: 1 });
          writer.close();
        } catch (error) {
          if (!(error instanceof BridgeError)) throw error;
          expect(error.code).toBe('SHM_IN_USE');
        }
      },
    ),
    { numRuns: 300 },
  );
});
