/** Ended calls that are remembered. */
const MAX_REMEMBERED = 64;

/** Answers that belong to no call in flight, by what became of the call they name. */
export interface StrayCounts {
  /** Answers to calls that had been given up; dropped. */
  late: number;
  /** Second answers to a call; dropped. */
  duplicate: number;
  /** Answers to calls nobody made, or long ago; dropped. */
  unknown: number;
}

/** Remembers how the last calls ended, so that a stray answer can be told from another. */
export class EndedCalls {
  readonly counts: StrayCounts = { late: 0, duplicate: 0, unknown: 0 };
  readonly #ended = new Map<string, 'duplicate' | 'late'>();

  /** A call ended; `answered`: by its answer, else it was given up. */
  add(requestId: string, answered: boolean): void {
    this.#ended.set(requestId, answered ? 'duplicate' : 'late');
    if (this.#ended.size <= MAX_REMEMBERED) return;
    const oldest = this.#ended.keys().next().value;
    if (oldest !== undefined) this.#ended.delete(oldest);
  }

  stray(requestId: string): void {
    this.counts[this.#ended.get(requestId) ?? 'unknown'] += 1;
  }
}
