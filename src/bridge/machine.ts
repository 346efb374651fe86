/**
 * Runs the states of states.ts: one state at a time, one activity in it. Leaving a state aborts its signal, which ends
 * every wait of its activity.
 */
import { abortable } from '../async.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { follow, type State, type Transition } from './states.js';

/** What a state does until it is left. Resolves to the transition that it leads to; an error closes the machine. */
export type Activity = (signal: AbortSignal) => Promise<Transition>;

/** The reason of a state's signal when the state was left for another one than `closed`: the camera has gone. */
const LEFT = new BridgeError('PORT_CLOSED', 'The connection to the camera ended.');

export class Machine {
  readonly #activities: Readonly<Partial<Record<State, Activity>>>;
  readonly #failed: (error: BridgeError) => void;
  /** Ends with the machine. */
  readonly #life = new AbortController();
  #state: State = 'idle';
  /** The state whose activity runs. */
  #active: State = 'idle';
  /** Ends with the state. */
  #scope = new AbortController();
  #running: Promise<void> | undefined;
  readonly #waiters = new Set<() => void>();

  /** `failed` is told of an error in an activity, which has closed the machine. */
  constructor(activities: Readonly<Partial<Record<State, Activity>>>, failed: (error: BridgeError) => void) {
    this.#activities = activities;
    this.#failed = failed;
  }

  get state(): State {
    return this.#state;
  }

  /** The state, once its activity has begun and the one before it has ended; undefined in between. */
  get settled(): State | undefined {
    return this.#active === this.#state ? this.#state : undefined;
  }

  /** Aborted when the machine is closed; the reason is BRIDGE_CLOSED, or the error that closed it. */
  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** Aborted when the present state is left. */
  get scope(): AbortSignal {
    return this.#scope.signal;
  }

  /** Throws BRIDGE_CLOSED when closed. */
  check(): void {
    if (this.signal.aborted) throw closedError(this.signal.reason);
  }

  /** Leaves the state. INTERNAL: the table has no such transition. */
  go(transition: Transition): void {
    this.#state = follow(this.#state, transition);
    const left = this.#scope;
    this.#scope = new AbortController();
    const { aborted, reason } = this.signal;
    left.abort(aborted ? reason : LEFT);
    if (this.#state === 'closed') this.#scope.abort(reason);
    this.#notify();
    this.#running ??= this.#run();
  }

  /** Closes the machine for good. Idempotent. */
  close(error?: BridgeError): void {
    if (this.signal.aborted) return;
    this.#life.abort(error ?? new BridgeError('BRIDGE_CLOSED', 'The bridge is closed.'));
    this.go('close');
  }

  /** Resolves when no activity runs any more, after `close`. */
  async ended(): Promise<void> {
    await this.#running;
  }

  /** Resolves when `reached` is true, which is asked at each change; rejects with the reason of `signal`. */
  until(reached: () => boolean): Promise<void> {
    const change = new Promise<void>((resolve) => {
      const look = (): void => {
        if (!reached() && !this.signal.aborted) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
      look();
    });
    return abortable(change, this.signal);
  }

  async #run(): Promise<void> {
    while (this.#state !== 'closed') {
      const { signal } = this.#scope;
      this.#active = this.#state;
      this.#notify();
      try {
        const transition = await this.#activities[this.#state]!(signal);
        if (!signal.aborted) this.go(transition);
      } catch (cause) {
        // The state was left: what its activity ended in does not matter.
        if (signal.aborted) continue;
        const error = asBridgeError(cause);
        this.close(error);
        this.#failed(error);
      }
    }
  }

  #notify(): void {
    for (const look of [...this.#waiters]) look();
  }
}

/** BRIDGE_CLOSED for what is asked of a closed bridge, with the reason that closed it as its cause. */
export function closedError(reason: unknown): BridgeError {
  if (reason instanceof BridgeError && reason.code === 'BRIDGE_CLOSED') return reason;
  return new BridgeError('BRIDGE_CLOSED', `The bridge is closed: ${asBridgeError(reason).message}`, {
    cause: reason,
  });
}
