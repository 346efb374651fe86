import { abortable, deferred } from '../async.js';

/** How the results of parallel workers are given out: in the order of their frames, or as they come. */
export const RESULT_ORDERS = ['ordered', 'unordered'] as const;
export type ResultOrderPolicy = (typeof RESULT_ORDERS)[number];

/**
 * Puts what parallel workers finish back into the order in which it was begun. Holds what is finished before its
 * turn; `room()` keeps those who begin from getting further ahead of the oldest than `limit`.
 */
export class ResultOrder<T> {
  readonly #policy: ResultOrderPolicy;
  readonly #limit: number;
  readonly #emit: (value: T) => void;
  readonly #held = new Map<number, T>();
  /** Of the next to begin, and of the next to be given out. */
  #next = 0;
  #turn = 0;
  #moved = deferred();

  constructor(policy: ResultOrderPolicy, limit: number, emit: (value: T) => void) {
    this.#policy = policy;
    this.#limit = limit;
    this.#emit = emit;
  }

  /** Begun and not given out yet. */
  get open(): number {
    return this.#next - this.#turn;
  }

  /** Takes a place in the order. Each ticket must be put back with what came of it. */
  ticket(): number {
    const ticket = this.#next;
    this.#next += 1;
    return ticket;
  }

  /** What came of a ticket; gives out all whose turn it is. */
  put(ticket: number, value: T): void {
    if (this.#policy === 'unordered') return this.#give(value);
    this.#held.set(ticket, value);
    for (let due = this.#held.get(this.#turn); due !== undefined; due = this.#held.get(this.#turn)) {
      this.#held.delete(this.#turn);
      this.#give(due);
    }
  }

  /** Resolves when one more may begin. */
  async room(signal?: AbortSignal): Promise<void> {
    while (this.open >= this.#limit) await abortable(this.#moved.promise, signal);
  }

  #give(value: T): void {
    this.#turn += 1;
    this.#moved.resolve();
    this.#moved = deferred();
    this.#emit(value);
  }
}
