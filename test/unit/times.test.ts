/** Percentiles of times, of all and of the last minute. */
import { describe, expect, it } from 'vitest';
import { RecentTimes, Times } from '../../src/times.js';

const DAY = 86_400_000;

describe('times', () => {
  it('knows percentiles', () => {
    const times = new Times();
    expect(times.percentiles).toBe(null);
    times.add(7);
    expect(times.percentiles).toMatchObject({ p50: 7, p99: 7 });
    times.reset();
    for (let ms = 100; ms > 0; ms--) times.add(ms);
    expect(times.percentiles).toMatchObject({ p50: 50, p99: 99 });
  });

  it('rounds no percentile to more than the longest', () => {
    const times = new Times();
    times.add(4.279);
    expect(times.percentiles).toMatchObject({ p999: 4.279, max: 4.279 });
  });

  it('takes any time', () => {
    const times = new Times();
    for (const ms of [-5, 0, 0.0001, 100 * DAY]) times.add(ms);
    expect(times.percentiles).toMatchObject({ p50: 0.001 });
    expect(times.percentiles!.max / DAY).toBeCloseTo(8, 1);
  });

  it('of the last minute forgets what is older', () => {
    const times = new RecentTimes();
    expect(times.percentiles(0)).toBe(null);
    times.add(10, 1_000);
    times.add(30, 40_000);
    expect(times.percentiles(49_000)).toMatchObject({ p50: 10, p99: 30 });
    times.add(20, 60_000);
    // 50 s at least are there.
    expect(times.percentiles(89_000)).toMatchObject({ p50: 20, p99: 30 });
    expect(times.percentiles(112_000)).toMatchObject({ p50: 20, p99: 20 });
    expect(times.percentiles(170_000)).toBe(null);
    times.add(5, 171_000);
    expect(times.percentiles(171_000)).toMatchObject({ p50: 5, p99: 5 });
  });

  it('of the last minute forgets all after a long pause', () => {
    const times = new RecentTimes();
    times.add(10, 0);
    expect(times.percentiles(DAY)).toBe(null);
    expect(times.percentiles(DAY + 1)).toBe(null);
  });
});
