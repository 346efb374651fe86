/**
 * One place for frames over a run: its sink, which is opened again when there was no room for it or another program took
 * its name away, and what it has lost.
 */
import { pause } from '../async.js';
import { asBridgeError, BridgeError, type ErrorCode } from '../errors.js';
import type { Frame } from '../frames/index.js';
import type { OpenSink, Sink, SinkCare, SinkHandlers, SinkKind, SinkStats } from './sink.js';

/** The option of a bridge that an error of a sink is about: these rooms have options of their own. */
const OPTIONS: Readonly<Partial<Record<SinkKind, Partial<Record<ErrorCode, string>>>>> = {
  segment: { SHM_IN_USE: 'shmName', SHM_FULL: 'shmSize', SHM_TOO_SMALL: 'shmSize' },
  ring: { SHM_IN_USE: 'ring', SHM_FULL: 'ringSlotSize', SHM_TOO_SMALL: 'ringSlotSize' },
  arrays: { SHM_IN_USE: 'arrays' },
};

/** What passes when other programs make room, or give a name back. */
const PASSING: readonly ErrorCode[] = ['SHM_FULL', 'SHM_IN_USE', 'SHM_FAILED'];
/** It is opened again after this time, which doubles up to the longest; a name that is taken is looked at each time. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

interface KeeperCare {
  readonly missed?: SinkCare['missed'] | undefined;
  /** What one of its kind lacked that was taken away while it failed: the first frame that is written tells that it works. */
  readonly lostSince?: number | undefined;
}

export class SinkKeeper {
  readonly kind: SinkKind;
  sink: Sink | undefined;
  readonly #open: OpenSink;
  readonly #handlers: SinkHandlers;
  readonly #missed: ((frame: Frame) => void) | undefined;
  readonly #abort = new AbortController();
  readonly #stats: SinkStats = { written: 0, lost: 0, skipped: 0 };
  /** Frames lost since it began to fail, or one that was there before it; undefined: it works. */
  #lostSince: number | undefined;
  /** What was told since then. */
  readonly #told = new Set<ErrorCode>();

  constructor(
    kind: SinkKind,
    open: OpenSink,
    handlers: SinkHandlers,
    { missed, lostSince }: KeeperCare = {},
  ) {
    this.kind = kind;
    this.#lostSince = lostSince;
    this.#open = open;
    this.#handlers = handlers;
    this.#missed = missed;
  }

  get stats(): SinkStats {
    return { ...this.#stats, skipped: this.#stats.skipped + (this.sink?.skipped ?? 0) };
  }

  /** Frames that it lacks since it began to fail; undefined: it works. */
  get lostSince(): number | undefined {
    return this.#lostSince;
  }

  /** Opens it, or rejects. */
  async open(again = false): Promise<void> {
    let sink: Sink;
    try {
      sink = await this.#open((error) => this.#fail(error), again);
    } catch (cause) {
      throw this.#named(asBridgeError(cause));
    }
    if (this.#abort.signal.aborted) await sink.close();
    else this.sink = sink;
  }

  /**
   * Opens it. What passes (a full memory, and with `again` also a name that is taken) is reported and tried again; that
   * this machine has no shared memory is reported. Rejects with any other error.
   */
  async openOrRetry(again = false): Promise<void> {
    try {
      await this.open(again);
    } catch (cause) {
      const error = asBridgeError(cause);
      const passing = again ? PASSING.includes(error.code) : error.code === 'SHM_FULL';
      if (!passing && error.code !== 'UNSUPPORTED') throw error;
      this.#tell(error);
      if (passing) void this.#retry(error.code);
    }
  }

  /** A promise, when there is no room for another frame until it settles. It never rejects. */
  write(frame: Frame): Promise<void> | undefined {
    const { sink } = this;
    if (sink?.active === false) return undefined;
    if (!sink) {
      this.#lose();
      this.#missed?.(frame);
      return undefined;
    }
    try {
      const pending = sink.write(frame);
      if (pending) return this.follow(pending);
      if (pending === false) return undefined;
      if (sink.failing) this.#lose();
      else {
        this.#wrote();
        frame.placed(sink.sharedName);
      }
    } catch (error) {
      this.#fail(asBridgeError(error, 'SHM_FAILED'), 1);
    }
    return undefined;
  }

  /** Counts a frame when it is written, or lost; false: neither. Never rejects. */
  follow(pending: Promise<unknown>): Promise<void> {
    return pending.then(
      (taken) => (taken === false ? undefined : this.#wrote()),
      (error) => this.#fail(asBridgeError(error), 1),
    );
  }

  /** Looks whether other programs still find it under its names. If not it is made again, at once or when that can be. */
  look(): void {
    const error = this.sink?.lost?.();
    if (error) void this.#renew(error);
  }

  /** Takes the sink away, for good. Idempotent. */
  async close(signal?: AbortSignal): Promise<void> {
    this.#abort.abort();
    await this.sink?.close(signal);
  }

  #wrote(): void {
    this.#stats.written++;
    if (this.#lostSince === undefined) return;
    this.#handlers.recovered(this.kind, this.#lostSince);
    this.#lostSince = undefined;
    this.#told.clear();
  }

  #lose(): void {
    this.#stats.lost++;
    if (this.#lostSince !== undefined) this.#lostSince++;
  }

  #fail(error: BridgeError, lost = 0): void {
    // Another reason is news: a broker that was away and now refuses the credentials wants something else done.
    const other = this.#told.size > 0 && !this.#told.has(error.code);
    if (this.#lostSince === undefined || other) this.#tell(error);
    this.#lostSince = (this.#lostSince ?? 0) + lost;
    this.#stats.lost += lost;
  }

  #tell(error: BridgeError): void {
    this.#lostSince ??= 0;
    this.#told.add(error.code);
    if (this.sink?.required) this.#handlers.ended(error);
    else this.#handlers.failed(this.kind, this.#named(error));
  }

  /** The error, with the option that it is about. */
  #named(error: BridgeError): BridgeError {
    const option = OPTIONS[this.kind]?.[error.code];
    if (option === undefined || 'options' in error.context) return error;
    const { code, message, context, cause } = error;
    return new BridgeError(code, message, { context: { ...context, options: [option] }, cause });
  }

  async #renew(lost: BridgeError): Promise<void> {
    const { sink } = this;
    this.#stats.skipped += sink?.skipped ?? 0;
    this.sink = undefined;
    // Its readers find that it has ended, and look for the next one.
    await sink?.close();
    if (this.#abort.signal.aborted) return;
    let error = lost;
    let next = 'It is made again.';
    try {
      await this.open(true);
    } catch (cause) {
      error = asBridgeError(cause);
      next = `It cannot be made again yet, which is tried every second: ${error.message}`;
      if (PASSING.includes(error.code)) void this.#retry(error.code);
    }
    const message = `${lost.message} ${next}`;
    this.#tell(new BridgeError(error.code, message, { context: error.context, cause: error.cause }));
  }

  async #retry(first: ErrorCode): Promise<void> {
    const { signal } = this.#abort;
    let code = first;
    try {
      for (let wait = FIRST_RETRY_MS; ; wait = Math.min(LONGEST_RETRY_MS, wait * 2)) {
        await pause(code === 'SHM_IN_USE' ? FIRST_RETRY_MS : wait, signal);
        try {
          await this.open(true);
          return;
        } catch (cause) {
          ({ code } = asBridgeError(cause));
          if (!PASSING.includes(code)) throw cause;
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#handlers.failed(this.kind, asBridgeError(error));
    }
  }
}
