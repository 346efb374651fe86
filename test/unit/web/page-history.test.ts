/** The figures behind the page's charts. */
import { describe, expect, it } from 'vitest';
import { joined, NO_HISTORY, SPAN_MS, withYield, YIELD } from '../../../src/web/page/history.js';

const runId = 'one';

describe('joined', () => {
  it('puts what has come behind what was there, and leaves out what is too old', () => {
    const first = joined(NO_HISTORY, { runId, timeMs: [1_000, 2_000], series: { ok: [1, 2] } });
    const more = joined(first, { runId, timeMs: [3_000], series: { ok: [3], 'dropped.stale': [4] } });
    expect(more).toEqual({
      runId,
      timeMs: [1_000, 2_000, 3_000],
      series: { ok: [1, 2, 3], 'dropped.stale': [null, null, 4] },
    });
    const late = joined(more, { runId, timeMs: [SPAN_MS + 2_500], series: { ok: [5] } });
    expect(late.timeMs).toEqual([3_000, SPAN_MS + 2_500]);
    expect(late.series['ok']).toEqual([3, 5]);
  });

  it('keeps what was there when nothing has come', () => {
    const first = joined(NO_HISTORY, { runId, timeMs: [1_000], series: { ok: [1] } });
    expect(joined(first, { runId, timeMs: [], series: {} })).toEqual(first);
  });

  it('forgets another run', () => {
    const first = joined(NO_HISTORY, { runId, timeMs: [1_000], series: { ok: [1] } });
    const other = { runId: 'other', timeMs: [2_000], series: { ok: [7] } };
    expect(joined(first, other)).toEqual(other);
  });
});

describe('the yield', () => {
  const of = (ok: (number | null)[], ng: (number | null)[], timeMs: number[]) =>
    withYield({ runId, timeMs, series: { ok, ng } }).series[YIELD];

  it('is the share of OK in the minute before, and unknown where there was no verdict', () => {
    expect(of([0, 3, 0], [0, 1, 4], [1_000, 2_000, 3_000])).toEqual([null, 3 / 4, 3 / 8]);
    expect(of([9, 0, 1, null], [1, 0, 3, null], [1_000, 61_000, 62_000, 122_000])).toEqual([
      0.9,
      null,
      1 / 4,
      null,
    ]);
  });

  it('is not there without an algorithm', () => {
    const history = { runId, timeMs: [1_000], series: { framesPerSecond: [30] } };
    expect(withYield(history)).toBe(history);
  });
});
