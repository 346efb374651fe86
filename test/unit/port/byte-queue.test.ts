import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteQueue } from '../../../src/port/byte-queue.js';
import { noise } from '../../e2e/port/helpers.js';

it('gives back the bytes it was given, however they are cut on both sides', () => {
  const source = noise(300_000);
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 90_000 })), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(sizes, sizes, (pushes, takes) => {
      const queue = new ByteQueue();
      const out: Buffer[] = [];
      let pushed = 0;
      pushes.forEach((size, turn) => {
        const piece = Buffer.from(source.subarray(pushed, pushed + size));
        queue.push(piece);
        pushed += piece.length;
        piece.fill(0);
        const taken = queue.peek().subarray(0, takes[turn % takes.length]);
        out.push(Buffer.from(taken));
        queue.drop(taken.length);
      });
      while (queue.length > 0) {
        const next = queue.peek();
        out.push(Buffer.from(next));
        queue.drop(next.length);
      }
      expect(Buffer.concat(out).equals(source.subarray(0, pushed))).toBe(true);
      expect(queue.peek().length).toBe(0);
    }),
    { numRuns: 60 },
  );
});

it('counts what it holds and forgets it', () => {
  const queue = new ByteQueue();
  for (let write = 0; write < 1000; write++) queue.push(Buffer.from('abc'));
  expect(queue.length).toBe(3000);
  // Small writes were put together.
  expect(queue.peek().length).toBe(3000);
  queue.drop(1);
  expect([queue.length, Buffer.from(queue.peek().subarray(0, 3)).toString()]).toEqual([2999, 'bca']);
  queue.clear();
  expect([queue.length, queue.peek().length]).toEqual([0, 0]);
  queue.drop(5);
  expect(queue.length).toBe(0);
});
