/** The figures behind the charts: what has come is joined with what was there, and the yield is made of it. */
import type { History } from './api.js';

export const SPAN_MS = 600_000;
/** The series that `withYield` adds. */
export const YIELD = 'yield';
const YIELD_MS = 60_000;

export const NO_HISTORY: History = { runId: '', timeMs: [], series: {} };

/** Both, without what is older than the charts show. What another run of the bridge did is left out. */
export function joined(old: History, more: History): History {
  if (old.runId !== more.runId) return more;
  const last = more.timeMs.at(-1) ?? old.timeMs.at(-1) ?? 0;
  const first = old.timeMs.findIndex((time) => time > last - SPAN_MS);
  const from = first < 0 ? old.timeMs.length : first;
  const names = new Set([...Object.keys(old.series), ...Object.keys(more.series)]);
  const part = (history: History, name: string, start: number): readonly (number | null)[] =>
    history.series[name]?.slice(start) ?? history.timeMs.slice(start).map(() => null);
  return {
    runId: more.runId,
    timeMs: [...old.timeMs.slice(from), ...more.timeMs],
    series: Object.fromEntries(
      [...names].map((name) => [name, [...part(old, name, from), ...part(more, name, 0)]]),
    ),
  };
}

/** The share of OK in the verdicts of the minute before each sample; null: there was none. */
export function withYield(history: History): History {
  const { timeMs, series } = history;
  const { ok, ng } = series;
  if (!ok || !ng) return history;
  let [first, good, bad] = [0, 0, 0];
  const shares = timeMs.map((time, index) => {
    good += ok[index] ?? 0;
    bad += ng[index] ?? 0;
    for (; timeMs[first]! <= time - YIELD_MS; first++) {
      good -= ok[first] ?? 0;
      bad -= ng[first] ?? 0;
    }
    return good + bad > 0 ? good / (good + bad) : null;
  });
  return { ...history, series: { ...series, [YIELD]: shares } };
}
