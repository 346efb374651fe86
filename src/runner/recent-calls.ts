/** Ended calls that are remembered. */
const MAX_REMEMBERED = 64;

/** Answers that belong to no call in flight, by what became of the call they name. */
export interface StrayCounts {
  /** Answers to calls that had been given up; dropped. */
  late: number;
  /** Second answers to a call; dropped. */
  duplicate: number;
  /** Answers to calls that were never made, or long ago; dropped. */
  unknown: number;
}

/** For people; undefined when there are none. */
export function describeStray({ late, duplicate, unknown }: StrayCounts): string | undefined {
  const all = late + duplicate + unknown;
  if (all === 0) return undefined;
  const kinds = [
    ...(late > 0 ? [`${late} too late`] : []),
    ...(duplicate > 0 ? [`${duplicate} second answer${duplicate === 1 ? '' : 's'} to a call`] : []),
    ...(unknown > 0 ? [`${unknown} to calls that were never made`] : []),
  ];
  return `${all} stray answer${all === 1 ? '' : 's'}: ${kinds.join(', ')}`;
}

/** Remembers how the last calls ended, so that a stray answer can be told from another. */
export class RecentCalls {
  readonly counts: StrayCounts = { late: 0, duplicate: 0, unknown: 0 };
  readonly #ended = new Map<string, 'duplicate' | 'late'>();

  /** A call ended; `answered`: by its answer, else it was given up. */
  add(requestId: string, answered: boolean): void {
    this.#ended.set(requestId, answered ? 'duplicate' : 'late');
    if (this.#ended.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#ended.keys()) return void this.#ended.delete(oldest);
  }

  stray(requestId: string): void {
    this.counts[this.#ended.get(requestId) ?? 'unknown']++;
  }
}
