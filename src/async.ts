/** The waits of this package: for a time, for a flag, for a promise under an AbortSignal, for one's turn. */

/** What waits are measured with. Tests bring a virtual one, on which seconds cost nothing. */
export interface Clock {
  /** Milliseconds; only goes forward. */
  now(): number;
  /** Calls back once after `ms`; returns how to cancel that. */
  after(ms: number, callback: () => void): () => void;
}

export const realClock: Clock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const id = setTimeout(callback, ms);
    return () => clearTimeout(id);
  },
};

/** Resolves after `ms`. Rejects with `signal.reason` when aborted. */
export function pause(ms: number, signal?: AbortSignal, clock = realClock): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    const abort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/**
 * Settles as `promise` does; rejects with `signal.reason` when aborted first. What `promise` ends in after that is
 * dropped: pass the signal to the work as well, so that it ends.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Settles as `promise` does, or rejects with `late()` after `ms`, or with `signal.reason`. */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
  late: () => Error,
  signal?: AbortSignal,
): Promise<T> {
  // Not AbortSignal.any: a signal that lives long keeps something of each that is made of it.
  const end = new AbortController();
  const id = setTimeout(() => end.abort(late()), ms);
  const abort = (): void => end.abort(signal?.reason);
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  try {
    return await abortable(promise, end.signal);
  } finally {
    clearTimeout(id);
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * One timer for a deadline that moves often: it is set again only when it would come too late. One that fires too early sees
 * so, and is set again.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #fire: () => void;
  #cancel: (() => void) | undefined;
  #timerAt = 0;
  #deadline: number | undefined;

  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /** Fires at `deadline`, once; undefined: not any more. */
  set(deadline: number | undefined): void {
    this.#deadline = deadline;
    if (deadline === undefined || (this.#cancel && this.#timerAt <= deadline)) return;
    this.#cancel?.();
    this.#timerAt = deadline;
    this.#cancel = this.#clock.after(Math.max(0, deadline - this.#clock.now()), () => this.#look());
  }

  /** Ends the timer as well. */
  stop(): void {
    this.#deadline = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    this.#cancel = undefined;
    const deadline = this.#deadline;
    if (deadline === undefined) return;
    if (this.#clock.now() < deadline) this.set(deadline);
    else {
      this.#deadline = undefined;
      this.#fire();
    }
  }
}

/** A flag that one waiter waits for, with a longest wait. */
export class Signal {
  readonly #clock: Clock;
  #set = false;
  #wake: (() => void) | undefined;

  constructor(clock = realClock) {
    this.#clock = clock;
  }

  /** Ends the wait under way, or the next one at once. */
  set(): void {
    this.#set = true;
    this.#wake?.();
  }

  /** Forgets that it was set. */
  clear(): void {
    this.#set = false;
  }

  /**
   * Resolves to true when set, to false after `ms`; rejects with `signal.reason` when aborted. Clears the flag. One wait
   * at a time.
   */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      let cancel: (() => void) | undefined;
      const end = (): boolean => {
        cancel?.();
        signal?.removeEventListener('abort', abort);
        this.#wake = undefined;
        const set = this.#set;
        this.#set = false;
        return set;
      };
      const abort = (): void => {
        end();
        reject(signal?.reason);
      };
      const wake = (): void => resolve(end());
      if (this.#set) return wake();
      this.#wake = wake;
      signal?.addEventListener('abort', abort, { once: true });
      if (Number.isFinite(ms)) cancel = this.#clock.after(ms, wake);
    });
  }
}

/** Runs actions one after the other, in the order they were asked for. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles as `action` does. When aborted before its turn it rejects with `signal.reason` and `action` never runs. */
  run<T>(action: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.#last.then(() => {
      signal?.throwIfAborted();
      return action();
    });
    this.#last = turn.catch(() => undefined);
    return abortable(turn, signal);
  }
}

/** Runs at most so many actions at a time; the others wait, in the order they were asked for. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** Settles as `action` does, which begins at once when there is a turn left. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/** A promise, and what resolves it. */
export interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
}

export function deferred(): Deferred {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
