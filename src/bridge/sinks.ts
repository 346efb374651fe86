/** Where frames go: the interface of each destination, and the one place that writes to them and counts what they lose. */
import { pause } from '../async.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';

/** In the order in which a frame is written to them: the fast ones first. */
export const SINK_KINDS = [
  'segment',
  'ring',
  'arrays',
  'pipeline',
  'files',
  'algorithm',
  'annotated',
] as const;
export type SinkKind = (typeof SINK_KINDS)[number];

export interface Sink {
  /** The name in shared memory by which other programs find a frame that it has taken. */
  readonly sharedName?: string;
  /** A frame is announced to subscribers only when this sink has it, or has lost it. */
  readonly first?: boolean;
  /** A frame that it loses ends the bridge. */
  readonly required?: boolean;
  /** false: it takes no frames now, and none counts. */
  readonly active?: boolean;
  /** Frames that it let go because a newer one came first. */
  readonly skipped?: number;
  /**
   * Takes a frame. While a returned promise is pending it has no room for another one, and the camera keeps the next
   * frame latched. An error means that this frame is lost to it; the next one is written all the same. false: it lets
   * this frame pass.
   */
  write(frame: Frame): void | false | Promise<void>;
  /** Takes the sink away. Idempotent. */
  close(): void | Promise<void>;
}

/** Counters of one sink since the bridge was opened. */
export interface SinkStats {
  written: number;
  /** Frames that it did not take because of an error. */
  lost: number;
  /** Frames that a newer one replaced before the sink got to them. */
  skipped: number;
}

export interface SinkHandlers {
  /** A sink has begun to fail. Called once, until it works again. */
  failed(kind: SinkKind, error: BridgeError): void;
  /** It works again; `lost` frames are missing. */
  recovered(kind: SinkKind, lost: number): void;
  /** A required sink has failed. */
  ended(error: BridgeError): void;
}

/** A full memory or disk is tried again after this time, which doubles up to the longest. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

/** How a sink is opened. Called again while it ends in SHM_FULL. `failed` is for what fails after `write` has returned. */
export type OpenSink = (failed: (error: BridgeError) => void) => Sink | Promise<Sink>;

class Entry {
  readonly kind: SinkKind;
  readonly stats: SinkStats = { written: 0, lost: 0, skipped: 0 };
  readonly abort = new AbortController();
  sink: Sink | undefined;
  /** Frames lost since it began to fail; undefined: it works. */
  lostSince: number | undefined;

  constructor(kind: SinkKind) {
    this.kind = kind;
  }
}

export class FrameSinks {
  readonly #handlers: SinkHandlers;
  readonly #entries: Entry[] = [];
  #closed = false;

  constructor(handlers: SinkHandlers) {
    this.#handlers = handlers;
  }

  /**
   * Opens a sink. A full shared memory is tried again until there is room, and a machine without shared memory goes
   * without; both are reported. Any other error (SHM_IN_USE, OPTION_INVALID ...) is thrown.
   */
  async add(kind: SinkKind, open: OpenSink): Promise<void> {
    const entry = new Entry(kind);
    const failed = (error: BridgeError): void => this.#fail(entry, error);
    try {
      entry.sink = await open(failed);
    } catch (cause) {
      const error = asBridgeError(cause);
      if (error.code !== 'SHM_FULL' && error.code !== 'UNSUPPORTED') throw error;
      this.#fail(entry, error);
      if (error.code === 'SHM_FULL') void this.#retry(entry, () => open(failed));
    }
    await this.#insert(entry);
  }

  /** Adds a sink that is open. BRIDGE_CLOSED when all have been taken away; then `sink` is closed. */
  async put(kind: SinkKind, sink: Sink): Promise<void> {
    const entry = new Entry(kind);
    entry.sink = sink;
    await this.#insert(entry);
  }

  /** The name by which other programs find frames, of the first sink that has one; null: there is none. */
  get sharedName(): string | null {
    return this.#entries.find(({ sink }) => sink?.sharedName !== undefined)?.sink?.sharedName ?? null;
  }

  /**
   * Gives every sink the frame. `placed` settles when the frame may be announced, `room` when there is room for the next
   * one; undefined: now. Neither rejects.
   */
  write(frame: Frame): {
    readonly placed?: Promise<void> | undefined;
    readonly room?: Promise<void> | undefined;
  } {
    let placed: Promise<void> | undefined;
    let room: Promise<void> | undefined;
    for (const entry of this.#entries) {
      const pending = entry.sink?.active === false ? undefined : this.#writeTo(entry, frame);
      if (!pending) continue;
      room = both(room, pending);
      if (entry.sink?.first) placed = both(placed, pending);
    }
    return { placed, room };
  }

  /** A sink takes a frame that it had let pass, for its outcome is known. Never rejects. */
  async follow(kind: SinkKind, pending: Promise<void> | false | undefined): Promise<void> {
    const entry = this.#entries.find((one) => one.kind === kind);
    if (entry && pending) await this.#follow(entry, pending);
  }

  /** Counters by kind of sink. */
  stats(): Partial<Record<SinkKind, Readonly<SinkStats>>> {
    return Object.fromEntries(
      this.#entries
        .filter(({ sink, stats }) => sink?.active !== false || stats.written > 0)
        .map(({ kind, sink, stats }) => [kind, { ...stats, skipped: sink?.skipped ?? stats.skipped }]),
    );
  }

  /** Takes the sinks of that kind away. */
  async remove(kind: SinkKind): Promise<void> {
    for (const entry of this.#entries.filter((one) => one.kind === kind)) {
      this.#entries.splice(this.#entries.indexOf(entry), 1);
      entry.abort.abort();
      await entry.sink?.close();
    }
  }

  /** Takes them all away. Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { abort } of this.#entries) abort.abort();
    // What is in shared memory goes at once; an algorithm may take its grace.
    await Promise.allSettled(this.#entries.map(async ({ sink }) => sink?.close()));
  }

  async #insert(entry: Entry): Promise<void> {
    if (this.#closed) {
      entry.abort.abort();
      await entry.sink?.close();
      throw new BridgeError('BRIDGE_CLOSED', 'The bridge is closed.');
    }
    this.#entries.push(entry);
    this.#entries.sort((a, b) => SINK_KINDS.indexOf(a.kind) - SINK_KINDS.indexOf(b.kind));
  }

  #writeTo(entry: Entry, frame: Frame): Promise<void> | undefined {
    if (!entry.sink) {
      this.#lose(entry);
      return undefined;
    }
    try {
      const pending = entry.sink.write(frame);
      if (pending) return this.#follow(entry, pending);
      if (pending === false) return undefined;
      this.#wrote(entry);
      frame.placed(entry.sink.sharedName);
    } catch (error) {
      this.#fail(entry, asBridgeError(error, 'SHM_FAILED'), 1);
    }
    return undefined;
  }

  #follow(entry: Entry, pending: Promise<void>): Promise<void> {
    return pending.then(
      () => this.#wrote(entry),
      (error) => this.#fail(entry, asBridgeError(error), 1),
    );
  }

  #wrote(entry: Entry): void {
    entry.stats.written++;
    if (entry.lostSince === undefined) return;
    this.#handlers.recovered(entry.kind, entry.lostSince);
    entry.lostSince = undefined;
  }

  #lose(entry: Entry): void {
    entry.stats.lost++;
    if (entry.lostSince !== undefined) entry.lostSince++;
  }

  #fail(entry: Entry, error: BridgeError, lost = 0): void {
    if (entry.lostSince === undefined) {
      entry.lostSince = 0;
      if (entry.sink?.required) this.#handlers.ended(error);
      else this.#handlers.failed(entry.kind, error);
    }
    entry.lostSince += lost;
    entry.stats.lost += lost;
  }

  async #retry(entry: Entry, open: () => Sink | Promise<Sink>): Promise<void> {
    const { signal } = entry.abort;
    try {
      for (let wait = FIRST_RETRY_MS; ; wait = Math.min(LONGEST_RETRY_MS, wait * 2)) {
        await pause(wait, signal);
        try {
          entry.sink = await open();
          if (signal.aborted) await entry.sink.close();
          return;
        } catch (cause) {
          if (asBridgeError(cause).code !== 'SHM_FULL') throw cause;
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#handlers.failed(entry.kind, asBridgeError(error));
    }
  }
}

const both = (one: Promise<void> | undefined, other: Promise<void>): Promise<void> =>
  one ? one.then(() => other) : other;
