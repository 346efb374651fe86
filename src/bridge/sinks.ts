/** The sinks of a bridge: the one place that writes frames to them, in order, and looks after them. */
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import {
  type OpenSink,
  SINK_KINDS,
  type SinkCare,
  type SinkHandlers,
  type SinkKind,
  type SinkStats,
} from './sink.js';
import { SinkKeeper } from './sink-keeper.js';

/** How often names in shared memory are looked at: what happens to one is noticed within a second. */
const LOOK_MS = 500;

export class FrameSinks {
  readonly #handlers: SinkHandlers;
  readonly #keepers: SinkKeeper[] = [];
  /** Kinds that were taken away while they failed, and the frames that they lacked. */
  readonly #failing = new Map<SinkKind, number>();
  readonly #abort = new AbortController();
  #looking = false;

  constructor(handlers: SinkHandlers) {
    this.#handlers = handlers;
  }

  /**
   * Opens a sink. A full shared memory is tried again until there is room, and a machine without shared memory goes
   * without; both are reported. Any other error (SHM_IN_USE, OPTION_INVALID ...) is thrown; not SHM_IN_USE with `again`.
   */
  async add(kind: SinkKind, open: OpenSink, { again, missed }: SinkCare = {}): Promise<void> {
    const lostSince = this.#failing.get(kind);
    const keeper = new SinkKeeper(kind, open, this.#handlers, { missed, lostSince });
    await keeper.openOrRetry(again);
    this.#failing.delete(kind);
    await this.#insert(keeper);
  }

  /** Opens a sink in the place of those of its kind, which stay when it cannot be opened: SHM_*, OPTION_INVALID ... */
  async replace(kind: SinkKind, open: OpenSink): Promise<void> {
    const keeper = new SinkKeeper(kind, open, this.#handlers);
    await keeper.open();
    await this.remove(kind);
    await this.#insert(keeper);
  }

  /** The name by which other programs find frames, of the first sink that has one; null: there is none. */
  get sharedName(): string | null {
    return this.#keepers.find(({ sink }) => sink?.sharedName !== undefined)?.sink?.sharedName ?? null;
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
    for (const keeper of this.#keepers) {
      const pending = keeper.write(frame);
      if (!pending) continue;
      room = both(room, pending);
      if (keeper.sink?.first) placed = both(placed, pending);
    }
    return { placed, room };
  }

  /** A sink takes a frame that it had let pass, for its outcome is known; false: it does not. Never rejects. */
  async follow(kind: SinkKind, pending: Promise<unknown> | false | undefined): Promise<void> {
    const keeper = this.#keepers.find((one) => one.kind === kind);
    if (keeper && pending) await keeper.follow(pending);
  }

  /** Counters by kind of sink. */
  stats(): Partial<Record<SinkKind, Readonly<SinkStats>>> {
    return Object.fromEntries(
      this.#keepers
        .filter(({ sink, stats }) => sink?.active !== false || stats.written + stats.skipped > 0)
        .map(({ kind, stats }) => [kind, stats]),
    );
  }

  /** Takes the sinks of that kind away. */
  async remove(kind: SinkKind): Promise<void> {
    for (const keeper of this.#keepers.filter((one) => one.kind === kind)) {
      this.#keepers.splice(this.#keepers.indexOf(keeper), 1);
      if (keeper.lostSince !== undefined) this.#failing.set(kind, keeper.lostSince);
      await keeper.close();
    }
  }

  /** Takes them all away, without their time for it when `signal` is aborted. Idempotent; never rejects. */
  async close(signal?: AbortSignal): Promise<void> {
    this.#abort.abort();
    // What is in shared memory goes at once; an algorithm may take its grace.
    await Promise.allSettled(this.#keepers.map((keeper) => keeper.close(signal)));
  }

  /** BRIDGE_CLOSED when all have been taken away; then it is closed. */
  async #insert(keeper: SinkKeeper): Promise<void> {
    const { signal } = this.#abort;
    if (signal.aborted) {
      await keeper.close();
      throw new BridgeError('BRIDGE_CLOSED', 'The bridge is closed.');
    }
    this.#keepers.push(keeper);
    this.#keepers.sort((a, b) => SINK_KINDS.indexOf(a.kind) - SINK_KINDS.indexOf(b.kind));
    if (!this.#looking) void this.#look(signal);
    this.#looking = true;
  }

  async #look(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(LOOK_MS, signal).catch(() => undefined);
      if (!signal.aborted) for (const keeper of this.#keepers) keeper.look();
    }
  }
}

const both = (one: Promise<void> | undefined, other: Promise<void>): Promise<void> =>
  one ? one.then(() => other) : other;
