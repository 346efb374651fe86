import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { abortable, deferred, Mutex, pause, Signal, Turns, within } from '../../src/async.js';

const why = new Error('left');
const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('pause', () => {
  it('rejects with the reason of the signal, before and during the wait', async () => {
    await expect(pause(60_000, AbortSignal.abort(why))).rejects.toBe(why);
    const abort = new AbortController();
    const wait = pause(60_000, abort.signal);
    abort.abort(why);
    await expect(wait).rejects.toBe(why);
    expect(listeners(abort.signal)).toBe(0);
  });
});

describe('abortable', () => {
  it('settles as the promise does and leaves no listener', async () => {
    const abort = new AbortController();
    await expect(abortable(Promise.resolve(1), abort.signal)).resolves.toBe(1);
    await expect(abortable(Promise.reject(why), abort.signal)).rejects.toBe(why);
    expect(listeners(abort.signal)).toBe(0);
  });

  it('rejects first when aborted', async () => {
    const abort = new AbortController();
    const wait = abortable(new Promise(() => undefined), abort.signal);
    abort.abort(why);
    await expect(wait).rejects.toBe(why);
  });
});

describe('within', () => {
  it('rejects with the error of the time limit, or of the signal', async () => {
    await expect(within(new Promise(() => undefined), 1, () => why)).rejects.toBe(why);
    const abort = new AbortController();
    const wait = within(new Promise(() => undefined), 60_000, () => new Error('late'), abort.signal);
    abort.abort(why);
    await expect(wait).rejects.toBe(why);
  });
});

describe('Signal', () => {
  it('tells a set flag from the end of the time', async () => {
    const flag = new Signal();
    flag.set();
    await expect(flag.wait(60_000)).resolves.toBe(true);
    await expect(flag.wait(1)).resolves.toBe(false);
    const wait = flag.wait(Number.POSITIVE_INFINITY);
    flag.set();
    await expect(wait).resolves.toBe(true);
    await expect(flag.wait(1)).resolves.toBe(false);
  });

  it('ends with its AbortSignal and leaves no listener', async () => {
    const flag = new Signal();
    const abort = new AbortController();
    const wait = flag.wait(60_000, abort.signal);
    abort.abort(why);
    await expect(wait).rejects.toBe(why);
    expect(listeners(abort.signal)).toBe(0);
    const next = flag.wait(60_000);
    flag.set();
    await expect(next).resolves.toBe(true);
  });
});

describe('Mutex', () => {
  it('runs one after the other, also after a failure', async () => {
    const mutex = new Mutex();
    const order: number[] = [];
    const first = mutex.run(async () => {
      await pause(5);
      order.push(1);
      throw why;
    });
    const second = mutex.run(() => order.push(2));
    await expect(first).rejects.toBe(why);
    await second;
    expect(order).toEqual([1, 2]);
  });

  it('never runs what was aborted before its turn', async () => {
    const mutex = new Mutex();
    const abort = new AbortController();
    let ran = false;
    let free: () => void = () => undefined;
    const first = mutex.run(() => new Promise<void>((resolve) => (free = resolve)));
    const second = mutex.run(() => {
      ran = true;
    }, abort.signal);
    abort.abort(why);
    await expect(second).rejects.toBe(why);
    free();
    await first;
    await mutex.run(() => undefined);
    expect(ran).toBe(false);
  });
});

describe('Turns', () => {
  it('runs so many at a time, the others in their order, also after one that failed', async () => {
    const turns = new Turns(2);
    const begun: number[] = [];
    const ends = [1, 2, 3, 4].map(() => deferred());
    const runs = ends.map((end, index) =>
      turns.run(async () => {
        begun.push(index);
        await end.promise;
        if (index === 0) throw why;
        return index;
      }),
    );
    expect(begun).toEqual([0, 1]);
    ends[0]!.resolve();
    await expect(runs[0]).rejects.toBe(why);
    expect(begun).toEqual([0, 1, 2]);
    for (const end of ends) end.resolve();
    expect(await Promise.all(runs.slice(1))).toEqual([1, 2, 3]);
    expect(begun).toEqual([0, 1, 2, 3]);
  });
});
