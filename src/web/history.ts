/** Figures of the last ten minutes, one sample a second: charts are there at once, also after a reload. */
import type { BridgeStats, FrameOutcome } from '../bridge/index.js';
import type { Frame } from '../frames/index.js';
import { Times } from '../times.js';
import type { UsageMeter } from './process-usage.js';

export const INTERVAL_MS = 1_000;
export const SPAN_MS = 600_000;
const SAMPLES = SPAN_MS / INTERVAL_MS;

/** By name; null: there was nothing to measure. */
export type Sample = { readonly timeMs: number } & Readonly<Record<string, number | null>>;

export class History {
  readonly #samples: Sample[] = [];
  readonly #bridge: UsageMeter;
  readonly #algorithm: UsageMeter;
  readonly #toDelivered = new Times();
  readonly #toResult = new Times();
  #counts = { ok: 0, ng: 0, failed: 0, skipped: 0 };
  #last: BridgeStats | undefined;

  constructor(bridge: UsageMeter, algorithm: UsageMeter) {
    this.#bridge = bridge;
    this.#algorithm = algorithm;
  }

  frame({ capturedAtMs, timestampMs }: Frame): void {
    if (capturedAtMs !== undefined) this.#toDelivered.add(timestampMs - capturedAtMs);
  }

  outcome(outcome: FrameOutcome): void {
    this.#counts[outcome.outcome]++;
    if (outcome.outcome === 'skipped') return;
    const { queueMs, transferMs, computeMs } = outcome.result.latency;
    this.#toResult.add(queueMs + transferMs + computeMs);
  }

  /** Takes a sample; called once a second. */
  stats(stats: BridgeStats): void {
    const bridge = this.#bridge.take();
    const algorithm = stats.algorithm ? this.#algorithm.take() : undefined;
    const delivered = this.#toDelivered.percentiles;
    const result = this.#toResult.percentiles;
    this.#toDelivered.reset();
    this.#toResult.reset();
    this.#samples.push({
      timeMs: Date.now(),
      framesPerSecond: rounded(stats.framesPerSecond),
      bytesPerSecond: Math.round(stats.bytesPerSecond),
      deliveredP50Ms: delivered?.p50 ?? null,
      deliveredP99Ms: delivered?.p99 ?? null,
      resultP50Ms: result?.p50 ?? null,
      resultP99Ms: result?.p99 ?? null,
      fromCaptureP50Ms: stats.latencyMs.result?.p50 ?? null,
      fromCaptureP99Ms: stats.latencyMs.result?.p99 ?? null,
      resyncs: since(stats.link.resyncs, this.#last?.link.resyncs),
      bridgeCpu: rounded(bridge?.cpu),
      bridgeMemoryBytes: bridge?.memoryBytes ?? null,
      algorithmCpu: rounded(algorithm?.cpu),
      algorithmMemoryBytes: algorithm?.memoryBytes ?? null,
      ...(stats.algorithm ? this.#counts : {}),
      ...this.#dropped(stats),
    });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    this.#counts = { ok: 0, ng: 0, failed: 0, skipped: 0 };
    this.#last = stats;
  }

  /** A list of times and, for each name, one of values: as charts want them. */
  columns(sinceMs = 0): { timeMs: number[]; series: Record<string, (number | null)[]> } {
    const samples = this.#samples.filter(({ timeMs }) => timeMs > sinceMs);
    const names = [...new Set(samples.flatMap((sample) => Object.keys(sample)))].filter(
      (name) => name !== 'timeMs',
    );
    return {
      timeMs: samples.map(({ timeMs }) => timeMs),
      series: Object.fromEntries(
        names.map((name) => [name, samples.map((sample) => sample[name] ?? valueless(name))]),
      ),
    };
  }

  #dropped(stats: BridgeStats): Record<string, number> {
    const entries = Object.entries(stats.droppedByReason).map(([reason, count]) => {
      const before = this.#last?.droppedByReason[reason as keyof BridgeStats['droppedByReason']];
      return [`dropped.${reason}`, since(count, before)];
    });
    return Object.fromEntries(entries);
  }
}

/** Reasons that had not been seen when a sample was taken had no frames. */
const valueless = (name: string): number | null => (name.startsWith('dropped.') ? 0 : null);

/** A counter's growth. Another connection may begin from 0. */
const since = (now: number, before = 0): number => (now >= before ? now - before : now);

const rounded = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : Math.round(value * 1_000) / 1_000;
