import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { Delivery, type DeliveryOptions } from '../../../src/runner/delivery.js';

class Item {
  released = 0;
  constructor(readonly n: number) {}
  release(): void {
    this.released += 1;
  }
}

/** A consumer that finishes when told to. */
function consumer() {
  const taken: number[] = [];
  const finish: (() => void)[] = [];
  const failures: unknown[] = [];
  const options = (policy: 'latest' | 'every'): DeliveryOptions<Item> => ({
    policy,
    deliver: (item) => {
      taken.push(item.n);
      return new Promise<void>((resolve) => {
        finish.push(() => {
          item.release();
          resolve();
        });
      });
    },
    failed: (error) => failures.push(error),
  });
  return { taken, finish, failures, options };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('latest', () => {
  it('keeps the newest for a busy consumer and releases the others', async () => {
    const { taken, finish, options } = consumer();
    const delivery = new Delivery<Item>(options('latest'));
    const items = [1, 2, 3, 4].map((n) => new Item(n));
    for (const item of items) await delivery.offer(item);
    expect(taken).toEqual([1]);
    finish[0]!();
    await settled();
    expect(taken).toEqual([1, 4]);
    finish[1]!();
    await settled();
    expect(items.map((item) => item.released)).toEqual([1, 1, 1, 1]);
    expect(delivery.stats).toEqual({ offered: 4, delivered: 2, replaced: 2 });
  });

  it('replaces the waiting item until a consumer that was away is ready', async () => {
    const { taken, options } = consumer();
    let ready = () => {};
    const delivery = new Delivery<Item>({
      ...options('latest'),
      ready: () => new Promise<void>((resolve) => (ready = resolve)),
    });
    for (const n of [1, 2, 3]) await delivery.offer(new Item(n));
    expect(taken).toEqual([]);
    ready();
    await settled();
    expect(taken).toEqual([3]);
    expect(delivery.stats.replaced).toBe(2);
  });
});

describe('every', () => {
  it('makes the source wait while an item waits', async () => {
    const { taken, finish, options } = consumer();
    const delivery = new Delivery<Item>(options('every'));
    await delivery.offer(new Item(1));
    let room = false;
    void delivery.offer(new Item(2)).then(() => {
      room = true;
    });
    await settled();
    expect(taken).toEqual([1]);
    expect(room).toBe(false);
    finish[0]!();
    await settled();
    expect(taken).toEqual([1, 2]);
    expect(room).toBe(true);
  });

  it('delivers all in order to a source that waits, whatever the pace', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2), { maxLength: 20 }), async (paces) => {
        const taken: number[] = [];
        const delivery = new Delivery<Item>({
          policy: 'every',
          deliver: async (item) => {
            taken.push(item.n);
            for (let turn = 0; turn < paces[item.n]!; turn += 1) await settled();
            item.release();
          },
          failed: (error) => {
            throw error;
          },
        });
        const items = paces.map((_, n) => new Item(n));
        for (const item of items) await delivery.offer(item);
        await settled();
        await delivery.close();
        // The last one may still have waited at the close: it is released, not lost track of.
        expect(items.every((item) => item.released === 1)).toBe(true);
        expect(taken).toEqual(items.map((item) => item.n).slice(0, taken.length));
        expect(taken.length).toBeGreaterThanOrEqual(Math.max(0, items.length - 1));
        expect(delivery.stats.replaced).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it('refuses an item offered before there is room, and releases it', async () => {
    const { options } = consumer();
    const delivery = new Delivery<Item>(options('every'));
    void delivery.offer(new Item(1));
    void delivery.offer(new Item(2));
    const third = new Item(3);
    expect(() => delivery.offer(third)).toThrow(BridgeError);
    expect(third.released).toBe(1);
  });
});

describe.each(['latest', 'every'] as const)('%s', (policy) => {
  it('goes on after a consumer that failed', async () => {
    const { failures, options } = consumer();
    const delivery = new Delivery<Item>({
      ...options(policy),
      deliver: async (item) => {
        item.release();
        if (item.n === 1) throw new Error('boom');
      },
    });
    await delivery.offer(new Item(1));
    await settled();
    await delivery.offer(new Item(2));
    await settled();
    expect(failures).toHaveLength(1);
    expect(delivery.stats.delivered).toBe(2);
  });

  it('closes while a consumer is away: nothing waits for it, and nothing has failed', async () => {
    const { taken, failures, options } = consumer();
    const delivery = new Delivery<Item>({
      ...options('every'),
      ready: (_consumer, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    });
    const item = new Item(1);
    const room = delivery.offer(item);
    await delivery.close();
    await room;
    expect(item.released).toBe(1);
    expect([taken, failures]).toEqual([[], []]);
  });

  it('closes: what waits is released, what runs is waited for, what comes is released', async () => {
    const { taken, finish, options } = consumer();
    const delivery = new Delivery<Item>(options(policy));
    const items = [1, 2, 3].map((n) => new Item(n));
    void delivery.offer(items[0]!);
    const room = delivery.offer(items[1]!);
    let closed = false;
    const closing = delivery.close().then(() => {
      closed = true;
    });
    await room;
    await settled();
    expect(closed).toBe(false);
    expect(items[1]!.released).toBe(1);
    finish[0]!();
    await closing;
    await delivery.offer(items[2]!);
    await delivery.close();
    expect(taken).toEqual([1]);
    expect(items.map((item) => item.released)).toEqual([1, 1, 1]);
  });
});
