import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResultOrder } from '../../../src/runner/result-order.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('ordered', () => {
  it('gives everything out once and in the order in which it was begun, however it finishes', () => {
    const finished = fc
      .integer({ min: 1, max: 40 })
      .chain((count) => fc.shuffledSubarray([...Array(count).keys()], { minLength: count }));
    fc.assert(
      fc.property(finished, (order) => {
        const given: number[] = [];
        const results = new ResultOrder<number>('ordered', 100, (value) => given.push(value));
        for (const _ of order) results.ticket();
        for (const ticket of order) results.put(ticket, ticket * 10);
        expect(given).toEqual(order.map((_, index) => index * 10));
        expect(results.open).toBe(0);
      }),
    );
  });

  it('gives a result out as soon as it is its turn', () => {
    const given: string[] = [];
    const results = new ResultOrder<string>('ordered', 100, (value) => given.push(value));
    const [a, b, c] = [results.ticket(), results.ticket(), results.ticket()];
    results.put(c, 'c');
    expect(given).toEqual([]);
    results.put(a, 'a');
    expect(given).toEqual(['a']);
    results.put(b, 'b');
    expect(given).toEqual(['a', 'b', 'c']);
  });

  it('holds no more than its limit: who would begin waits for the oldest', async () => {
    const results = new ResultOrder<number>('ordered', 2, () => undefined);
    const [oldest, other] = [results.ticket(), results.ticket()];
    results.put(other, 2);
    let room = false;
    void results.room().then(() => {
      room = true;
    });
    await settled();
    expect(room).toBe(false);
    results.put(oldest, 1);
    await settled();
    expect(room).toBe(true);
  });
});

it('unordered gives results out as they come', () => {
  const given: string[] = [];
  const results = new ResultOrder<string>('unordered', 100, (value) => given.push(value));
  const [a, b] = [results.ticket(), results.ticket()];
  results.put(b, 'b');
  results.put(a, 'a');
  expect(given).toEqual(['b', 'a']);
  expect(results.open).toBe(0);
});
