import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Delivery } from '../../../src/runner/delivery.js';

class Item {
  released = 0;
  constructor(readonly n: number) {}
  release(): void {
    this.released += 1;
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Consumers that finish when told to. */
function consumers(policy: 'latest' | 'every', count: number, away: ReadonlySet<number> = new Set()) {
  const busy = new Map<number, { n: number; finish: () => void }>();
  const taken: number[] = [];
  const delivery = new Delivery<Item>({
    policy,
    consumers: count,
    ready: async (consumer) => !away.has(consumer),
    deliver: (item, consumer) => {
      expect(busy.has(consumer)).toBe(false);
      taken.push(item.n);
      return new Promise<void>((resolve) => {
        const finish = () => {
          busy.delete(consumer);
          item.release();
          resolve();
        };
        busy.set(consumer, { n: item.n, finish });
      });
    },
    failed: (error) => {
      throw error;
    },
  });
  return { delivery, busy, taken };
}

describe('several consumers', () => {
  it('every: one item each, then the source waits; who is free first takes the next', async () => {
    const { delivery, busy, taken } = consumers('every', 3);
    for (const n of [1, 2, 3]) await delivery.offer(new Item(n));
    let room = false;
    void delivery.offer(new Item(4)).then(() => {
      room = true;
    });
    await settled();
    expect(taken).toEqual([1, 2, 3]);
    expect(room).toBe(false);
    busy.get(1)!.finish();
    await settled();
    expect(taken).toEqual([1, 2, 3, 4]);
    expect(busy.get(1)!.n).toBe(4);
    expect(room).toBe(true);
    expect(delivery.stats).toEqual({ offered: 4, delivered: 4, replaced: 0 });
  });

  it('latest: the newest waits for the first that is free, the replaced ones are counted', async () => {
    const { delivery, busy, taken } = consumers('latest', 2);
    const items = [1, 2, 3, 4, 5].map((n) => new Item(n));
    for (const item of items) {
      await delivery.offer(item);
      await settled();
    }
    expect(taken).toEqual([1, 2]);
    busy.get(0)!.finish();
    await settled();
    expect(taken).toEqual([1, 2, 5]);
    expect(items.map(({ released }) => released)).toEqual([1, 0, 1, 1, 0]);
    expect(delivery.stats.replaced).toBe(2);
  });

  it('one that takes itself out leaves the items to the others', async () => {
    const away = new Set([0]);
    const { delivery, busy, taken } = consumers('every', 2, away);
    await delivery.offer(new Item(1));
    await settled();
    expect([...busy.keys()]).toEqual([1]);
    const second = delivery.offer(new Item(2));
    await settled();
    expect(taken).toEqual([1]);
    away.clear();
    busy.get(1)!.finish();
    await second;
    expect(taken).toEqual([1, 2]);
  });

  it('every item is taken once and in order, and nothing is lost, anyone who finishes when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 30 }),
        async (count, finishes) => {
          const { delivery, busy, taken } = consumers('every', count);
          const items = finishes.map((_, n) => new Item(n));
          for (const [n, finish] of finishes.entries()) {
            let room = false;
            const offered = delivery.offer(items[n]!).then(() => {
              room = true;
            });
            await settled();
            const running = [...busy.values()];
            if (!room) running[finish % running.length]!.finish();
            await offered;
          }
          while (busy.size > 0 || taken.length < items.length) {
            for (const { finish } of busy.values()) finish();
            await settled();
          }
          expect(taken).toEqual(items.map(({ n }) => n));
          expect(items.every(({ released }) => released === 1)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('close waits for all that is worked on', async () => {
    const { delivery, busy } = consumers('every', 2);
    await delivery.offer(new Item(1));
    await delivery.offer(new Item(2));
    let closed = false;
    const closing = delivery.close().then(() => {
      closed = true;
    });
    busy.get(0)!.finish();
    await settled();
    expect(closed).toBe(false);
    busy.get(1)!.finish();
    await closing;
  });
});
