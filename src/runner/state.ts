/** The state of a runner, and waiting for one. */
import { abortable, deferred } from '../async.js';

/**
 * `idle` before `start()`; `starting` until the adapter's hello; `loading` until its first answer; `ready`;
 * `restarting` while a restart is waited for; `failed` when there will be none (the breaker tripped, or the command
 * cannot be run); `closing`, `closed`.
 */
export type RunnerState =
  | 'idle'
  | 'starting'
  | 'loading'
  | 'ready'
  | 'restarting'
  | 'failed'
  | 'closing'
  | 'closed';

const OVER: ReadonlySet<RunnerState> = new Set(['failed', 'closing', 'closed']);

export class StateHolder {
  readonly #told: (state: RunnerState) => void;
  #now: RunnerState = 'idle';
  #changed = deferred();

  /** `told` hears of each change. */
  constructor(told: (state: RunnerState) => void) {
    this.#told = told;
  }

  get now(): RunnerState {
    return this.#now;
  }

  /** No adapter comes any more by itself: failed, closing or closed. */
  get over(): boolean {
    return OVER.has(this.#now);
  }

  set(state: RunnerState): void {
    if (this.#now === state) return;
    this.#now = state;
    this.#changed.resolve();
    this.#changed = deferred();
    this.#told(state);
  }

  /** Resolves to true in one of these states, to false when it is over before. */
  async reaches(states: readonly RunnerState[], signal?: AbortSignal): Promise<boolean> {
    while (!states.includes(this.#now) && !this.over) await abortable(this.#changed.promise, signal);
    return states.includes(this.#now);
  }
}
