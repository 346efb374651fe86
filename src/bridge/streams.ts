/** What a bridge tells its subscribers: frames, results, outcomes, events, figures; as observables and as an iterator. */
import { type Observable, Subject, type Subscription } from 'rxjs';
import { within } from '../async.js';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import type { BridgeEvent, BridgeStats, FrameOutcome, FrameResult, SkipReason } from './events.js';
import { GuardedObservable } from './guarded-observable.js';

/** Events kept until the first subscriber comes. */
const MAX_BACKLOG = 256;

export class Streams {
  readonly #frames = new Subject<Frame>();
  readonly #results = new Subject<FrameResult>();
  readonly #outcomes = new Subject<FrameOutcome>();
  readonly #events = new Subject<BridgeEvent>();
  readonly #stats = new Subject<BridgeStats>();
  readonly #heard: () => void;
  readonly #failed: (error: BridgeError) => void;
  readonly #early: ((event: BridgeEvent) => void) | undefined;
  /** What happened before the first subscribers of `events$`, up to the turn in which they came. */
  #backlog: BridgeEvent[] | undefined = [];
  #followed = false;
  /** The latest `connected`, while the connection stands. */
  #connected: BridgeEvent | undefined;
  #listened = false;
  #telling = false;

  readonly frames$ = this.#waking(this.#frames);
  readonly results$ = this.#waking(this.#results);
  readonly outcomes$ = this.#waking(this.#outcomes);
  readonly stats$: Observable<BridgeStats> = new GuardedObservable(
    (subscriber) => this.#stats.subscribe(subscriber),
    (error) => this.#threw(error),
  );
  readonly events$: Observable<BridgeEvent> = new GuardedObservable(
    (subscriber) => {
      const before = this.#backlog ?? (this.#connected ? [this.#connected] : []);
      for (const event of before) subscriber.next(event);
      // Others that subscribe in the same turn get the same.
      if (!this.#followed) setImmediate(() => (this.#backlog = undefined));
      this.#followed = true;
      return this.#events.subscribe(subscriber);
    },
    (error) => this.#threw(error),
  );

  /**
   * `heard` is called when the first subscriber of frames, results or outcomes has come; `failed` is told of exceptions
   * in subscribers; `early` of each event that waits for the first subscriber.
   */
  constructor(
    heard: () => void,
    failed: (error: BridgeError) => void,
    early: ((event: BridgeEvent) => void) | undefined,
  ) {
    this.#heard = heard;
    this.#early = early;
    this.#failed = failed;
  }

  /** Whether frames, results or outcomes have had a subscriber. */
  get listened(): boolean {
    return this.#listened;
  }

  frame(frame: Frame): void {
    this.#frames.next(frame);
  }

  result(frame: Frame, result: FrameResult): void {
    this.#results.next(result);
    this.#outcomes.next({ frame, outcome: result.outcome, result });
  }

  skipped(frame: Frame, reason: SkipReason): void {
    this.#outcomes.next({ frame, outcome: 'skipped', reason });
  }

  event(event: BridgeEvent): void {
    if (event.type === 'connected') this.#connected = event;
    if (event.type === 'disconnected') this.#connected = undefined;
    if (!this.#followed) this.#early?.(event);
    if (this.#backlog && this.#backlog.length < MAX_BACKLOG) this.#backlog.push(event);
    this.#events.next(event);
  }

  stats(stats: BridgeStats): void {
    this.#stats.next(stats);
  }

  /** Completes all; `frames$` ends in the error, if there is one. */
  end(error: BridgeError | undefined): void {
    this.#connected = undefined;
    if (error) this.#frames.error(error);
    for (const subject of [this.#frames, this.#results, this.#outcomes, this.#events, this.#stats]) {
      subject.complete();
    }
  }

  /** The next frame, or `late()` after `ms`. */
  async next(ms: number, signal: AbortSignal, late: () => Error): Promise<Frame> {
    let subscription: Subscription | undefined;
    const frame = new Promise<Frame>((resolve, reject) => {
      subscription = this.#frames.subscribe({ next: resolve, error: reject });
    });
    frame.catch(() => undefined);
    try {
      return await within(frame, ms, late, signal);
    } finally {
      subscription?.unsubscribe();
    }
  }

  /** Frames one at a time; `hold` keeps the next one at the camera until its promise settles. */
  async *iterate(hold: (room: Promise<void>) => void): AsyncGenerator<Frame, void, undefined> {
    // Frames that were under way when the loop was still busy with one: at most a few, for `hold` keeps the others back.
    const queue: Frame[] = [];
    let change: () => void = () => undefined;
    let free: () => void = () => undefined;
    let ended: { readonly error?: unknown } | undefined;
    const subscription = this.frames$.subscribe({
      next: (frame) => {
        queue.push(frame);
        hold(new Promise((resolve) => (free = resolve)));
        change();
      },
      error: (error) => {
        ended = { error };
        change();
      },
      complete: () => {
        ended ??= {};
        change();
      },
    });
    try {
      for (;;) {
        const frame = queue.shift();
        if (frame) {
          yield frame;
          free();
        } else if (ended) {
          if (ended.error !== undefined) throw ended.error;
          return;
        } else {
          await new Promise<void>((resolve) => (change = resolve));
        }
      }
    } finally {
      subscription.unsubscribe();
      free();
    }
  }

  /** A subscriber that throws is told as an event; where no one listens to events, as a warning of the process. */
  #threw(cause: unknown): void {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    const error = new BridgeError('SUBSCRIBER_FAILED', `A subscriber has thrown: ${text}`, { cause });
    // An exception in a subscriber of events would come back here for ever.
    if (this.#events.observed && !this.#telling) {
      this.#telling = true;
      this.#failed(error);
      this.#telling = false;
    } else process.emitWarning(error.message, { code: 'OPENMV_BRIDGE_SUBSCRIBER' });
  }

  #waking<T>(subject: Subject<T>): Observable<T> {
    return new GuardedObservable<T>(
      (subscriber) => {
        const subscription = subject.subscribe(subscriber);
        if (!this.#listened) {
          this.#listened = true;
          this.#heard();
        }
        return subscription;
      },
      (error) => this.#threw(error),
    );
  }
}
