/** Charts of the last ten minutes. The server keeps the figures, so they are there after a reload as well. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import UPlot from 'uplot';
import { ask, type History, messageOf, ofCamera } from './api.js';
import { joined, NO_HISTORY, withYield, YIELD } from './history.js';
import { timeOfDay } from './hooks.js';

interface Line {
  readonly name: string;
  readonly title: string;
}

interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[] | ((history: History) => readonly Line[]);
  /** From the server's unit to that of the chart. */
  readonly scale?: number;
  /** The upper end, in the chart's unit; otherwise a little above the largest value. */
  readonly most?: number;
}

/** Colours that everyone can tell apart (Okabe and Ito), on light and dark grounds; the lines have dashes as well. */
const COLOURS = ['#0080c6', '#d55e00', '#009e73', '#b05c92', '#a07800', '#808080'];
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3]];

const dropped = ({ series }: History): Line[] =>
  Object.keys(series)
    .filter((name) => name.startsWith('dropped.') && series[name]!.some((count) => count))
    .map((name) => ({ name, title: name.slice('dropped.'.length) }));

const CHARTS: readonly Chart[] = [
  { title: 'Frames', unit: 'frames/s', lines: [{ name: 'framesPerSecond', title: 'delivered' }] },
  { title: 'Data', unit: 'MB/s', scale: 1e-6, lines: [{ name: 'bytesPerSecond', title: 'from the camera' }] },
  {
    title: 'Latency from capture to delivery',
    unit: 'ms',
    lines: [
      { name: 'deliveredP50Ms', title: 'half are faster (p50)' },
      { name: 'deliveredP99Ms', title: '99 of 100 are faster (p99)' },
    ],
  },
  {
    title: 'Latency from delivery to result',
    unit: 'ms',
    lines: [
      { name: 'resultP50Ms', title: 'half are faster (p50)' },
      { name: 'resultP99Ms', title: '99 of 100 are faster (p99)' },
    ],
  },
  {
    title: 'Latency from capture to result',
    unit: 'ms',
    lines: [
      { name: 'fromCaptureP50Ms', title: 'half are faster (p50), of a minute' },
      { name: 'fromCaptureP99Ms', title: '99 of 100 are faster (p99), of a minute' },
    ],
  },
  {
    title: 'Verdicts',
    unit: 'a second',
    lines: [
      { name: 'ok', title: 'OK' },
      { name: 'ng', title: 'NG' },
      { name: 'failed', title: 'failed' },
      { name: 'skipped', title: 'not called' },
    ],
  },
  {
    title: 'Yield (OK of OK and NG)',
    unit: '%',
    scale: 100,
    most: 100,
    lines: [{ name: YIELD, title: 'of a minute' }],
  },
  { title: 'Frames not delivered', unit: 'a second', lines: dropped },
  {
    title: 'Link resynchronisations',
    unit: 'a second',
    lines: [{ name: 'resyncs', title: 'resynchronisations' }],
  },
  {
    title: 'Processor',
    unit: '% of a core',
    scale: 100,
    lines: [
      { name: 'bridgeCpu', title: 'bridge' },
      { name: 'algorithmCpu', title: 'algorithm' },
    ],
  },
  {
    title: 'Memory',
    unit: 'MB',
    scale: 1e-6,
    lines: [
      { name: 'bridgeMemoryBytes', title: 'bridge' },
      { name: 'algorithmMemoryBytes', title: 'algorithm' },
    ],
  },
];

const INTERVAL_MS = 1_000;

export function Charts({ camera, theme }: { camera: string; theme: string }): JSX.Element {
  const { history, error } = useHistory(camera);
  return (
    <section class="panel" aria-label="Charts of the last ten minutes">
      <h2>The last ten minutes</h2>
      {error && <p class="wrong">{error}</p>}
      <div class="charts">
        {history &&
          CHARTS.map((chart) => (
            <ChartView key={`${chart.title} ${theme}`} chart={chart} history={history} />
          ))}
      </div>
    </section>
  );
}

/** All of it once, then what came after. */
function useHistory(camera: string): { history: History | undefined; error: string | undefined } {
  const [state, setState] = useState<{ history?: History; error?: string }>({});
  useEffect(() => {
    let history = NO_HISTORY;
    let timer: ReturnType<typeof setTimeout>;
    let ended = false;
    setState({});
    const look = async (): Promise<void> => {
      try {
        if (!document.hidden) {
          const since = history.timeMs.at(-1) ?? 0;
          history = joined(history, await ask<History>(ofCamera(camera, `/history?sinceMs=${since}`)));
          if (!ended) setState({ history: withYield(history) });
        }
      } catch (error) {
        if (!ended) setState({ history: withYield(history), error: messageOf(error) });
      }
      if (!ended) timer = setTimeout(look, INTERVAL_MS);
    };
    void look();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [camera]);
  return { history: state.history, error: state.error };
}

function ChartView({ chart, history }: { chart: Chart; history: History }): JSX.Element | null {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | undefined>(undefined);
  const all = typeof chart.lines === 'function' ? chart.lines(history) : chart.lines;
  const lines = all.filter(({ name }) => history.series[name]?.some((value) => value !== null));
  const names = lines.map(({ name }) => name).join();

  // A chart is made again when it has other lines.
  useEffect(() => {
    const target = box.current;
    if (!target || lines.length === 0) return;
    const made = new UPlot(optionsOf(chart, lines, target), data(chart, lines, history), target);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: target.clientWidth, height: HEIGHT }));
    resized.observe(target);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [names]);
  useEffect(() => plot.current?.setData(data(chart, lines, history)));

  if (lines.length === 0) return null;
  return (
    <figure aria-label={`${chart.title}: ${spoken(chart, lines, history)}`} role="img">
      <figcaption>
        {chart.title} <small>{chart.unit}</small>
      </figcaption>
      <div ref={box} />
    </figure>
  );
}

const HEIGHT = 140;

function optionsOf(chart: Chart, lines: readonly Line[], target: HTMLElement): UPlot.Options {
  const style = getComputedStyle(target);
  const axis = { stroke: style.color, grid: { stroke: '#8884', width: 1 }, ticks: { stroke: '#8884' } };
  const times = (_plot: UPlot, all: number[]): string[] => all.map((time) => timeOfDay(time * 1_000));
  return {
    width: target.clientWidth,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _low, high) => [0, chart.most ?? (high > 0 ? high * 1.1 : 1)] } },
    axes: [
      { ...axis, values: times, space: 90, size: 28 },
      { ...axis, size: 56 },
    ],
    series: [
      // Without a pointer the legend has the latest values.
      { label: 'Time', value: (_plot, time) => (time === null ? 'now' : timeOfDay(time * 1_000)) },
      ...lines.map(({ title }, index) => ({
        label: title,
        stroke: COLOURS[index % COLOURS.length]!,
        dash: DASHES[index % DASHES.length]!,
        width: 2,
        points: { show: false },
        value: (plot: UPlot, value: number | null, series: number, at: number | null) => {
          const shown = at === null ? plot.data[series]!.at(-1) : value;
          return typeof shown === 'number' ? `${tidy(shown)} ${chart.unit}` : '–';
        },
      })),
    ],
  };
}

function data(chart: Chart, lines: readonly Line[], { timeMs, series }: History): UPlot.AlignedData {
  const scale = chart.scale ?? 1;
  const values = lines.map(({ name }) =>
    series[name]!.map((value) => (value === null ? null : value * scale)),
  );
  return [timeMs.map((time) => time / 1_000), ...values];
}

/** The latest values, for people who hear the page. */
function spoken(chart: Chart, lines: readonly Line[], { series }: History): string {
  const scale = chart.scale ?? 1;
  return lines
    .map(({ name, title }) => {
      const value = series[name]!.findLast((one) => one !== null);
      return `${title} ${value === undefined || value === null ? 'unknown' : `${tidy(value * scale)} ${chart.unit}`}`;
    })
    .join(', ');
}

const tidy = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
