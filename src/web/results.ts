/** The last results of a camera, how many there were of each kind, and the frames of NG ones. */
import type { FrameOutcome } from '../bridge/index.js';
import { type Judged, judgedOf } from './judged.js';
import type { KeptFrames } from './kept-frames.js';

export const RECENT = 500;

export interface ResultFilter {
  readonly outcomes?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  /** Only results whose frames are kept as NG. */
  readonly kept?: boolean | undefined;
  /** Only results of frames before that time, in Unix milliseconds. */
  readonly beforeMs?: number | undefined;
  readonly limit: number;
}

export class Results {
  readonly counts = { ok: 0, ng: 0, failed: 0, skipped: 0 };
  readonly kept: KeptFrames;
  /** Oldest first. */
  readonly #recent: Judged[] = [];

  constructor(kept: KeptFrames) {
    this.kept = kept;
  }

  add(outcome: FrameOutcome): void {
    this.counts[outcome.outcome]++;
    if (outcome.outcome === 'skipped') return;
    const judged = judgedOf(outcome.result);
    this.#recent.push(judged);
    if (this.#recent.length > RECENT) this.#recent.shift();
    if (outcome.outcome === 'ng') this.kept.add(judged, outcome.frame);
  }

  /** Newest first. */
  list({ outcomes, reason, kept, beforeMs, limit }: ResultFilter): readonly Judged[] {
    return this.#known(kept)
      .filter(
        (one) =>
          (outcomes === undefined || outcomes.includes(one.outcome)) &&
          (reason === undefined || (one.reason ?? '') === reason) &&
          (beforeMs === undefined || one.timestampMs < beforeMs),
      )
      .slice(0, limit);
  }

  /** How many results that are known have which reason; '' is none. */
  reasons(kept: boolean | undefined): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { outcome, reason } of this.#known(kept)) {
      if (outcome !== 'ok') counts.set(reason ?? '', (counts.get(reason ?? '') ?? 0) + 1);
    }
    return Object.fromEntries(counts);
  }

  #known(kept: boolean | undefined): readonly Judged[] {
    const all = new Map(this.kept.all.map((one) => [one.key, one]));
    if (!kept) for (const one of this.#recent) all.set(one.key, one);
    return [...all.values()].sort((a, b) => b.timestampMs - a.timestampMs || b.sequence - a.sequence);
  }
}
