/** How a camera and its algorithm are, in words: what is wrong, since when, and what to do. */
import type { Bridge, BridgeEvent, FrameOutcome, SinkKind } from '../bridge/index.js';
import type { BridgeError } from '../errors.js';

/** Lines of the algorithm's log, and errors, that are kept. */
const KEPT_LINES = 20;
const KEPT_ERRORS = 20;
/** Longer ones are cut: they are for people. */
const LONGEST_LINE = 500;
/** Many messages end so. */
const PLUG_IN = 'Plug it in again.';
/** A stream of frames that stands still for so long is worth a word, and so is an algorithm that gives no verdict. */
const STILL_MS = 5_000;

export interface Note {
  readonly timeMs: number;
  readonly code: string;
  readonly message: string;
}

export interface Condition {
  /** For programs: the state's name, or an error's code. */
  readonly state: string;
  readonly ok: boolean;
  /** Unix milliseconds. */
  readonly sinceMs: number;
  readonly text: string;
  /** What to do; null: nothing. */
  readonly advice: string | null;
}

interface FailedCalls {
  readonly sinceMs: number;
  readonly calls: number;
  readonly message: string;
}

export class Health {
  readonly #bridge: Bridge;
  readonly #unkept: () => Note | undefined;
  /** Latest last. */
  readonly errors: Note[] = [];
  readonly log: string[] = [];
  readonly #failing = new Map<SinkKind, Note>();
  #lost: Note | undefined;
  #lastFrameMs = Date.now();
  #state = '';
  #stateSince = Date.now();
  #algorithm: { state: string; sinceMs: number } | undefined;
  /** Calls that failed since the last verdict, and why the last one did. */
  #failed: FailedCalls | undefined;

  /** `unkept`: why NG frames cannot be kept now. */
  constructor(bridge: Bridge, unkept: () => Note | undefined) {
    this.#bridge = bridge;
    this.#unkept = unkept;
  }

  frame(): void {
    this.#lastFrameMs = Date.now();
    this.look();
  }

  outcome(outcome: FrameOutcome): void {
    if (outcome.outcome === 'skipped') return;
    const { result } = outcome;
    if (result.outcome !== 'failed') this.#failed = undefined;
    else {
      const { sinceMs = Date.now(), calls = 0 } = this.#failed ?? {};
      this.#failed = { sinceMs, calls: calls + 1, message: result.error.message };
    }
  }

  /** Takes note of the bridge's state; called at least once a second. */
  look(): void {
    const { state } = this.#bridge;
    if (state === this.#state) return;
    this.#state = state;
    this.#stateSince = Date.now();
  }

  event(event: BridgeEvent): void {
    switch (event.type) {
      case 'connected':
        this.#lost = undefined;
        this.#lastFrameMs = Date.now();
        break;
      case 'disconnected':
        this.#lost = { timeMs: Date.now(), code: event.code, message: event.message };
        break;
      case 'error':
        this.#note(event.error, event.sink);
        break;
      case 'recovered':
        this.#failing.delete(event.sink);
        break;
      case 'runner':
        this.#algorithm = { state: event.state, sinceMs: Date.now() };
        break;
      case 'log':
        keep(this.log, event.line.message.slice(0, LONGEST_LINE), KEPT_LINES);
    }
  }

  /** Of the camera. */
  get camera(): Condition {
    const { state, options } = this.#bridge;
    this.look();
    const at = (ok: boolean, text: string, advice: string | null = null): Condition => {
      return { state, ok, sinceMs: this.#stateSince, text, advice };
    };
    const lost = this.#lost;
    if (lost && (state === 'reconnecting' || state === 'closed')) {
      const advice = state === 'closed' ? null : `${PLUG_IN} It is looked for, and goes on by itself.`;
      const what = advice === null ? lost.message : lost.message.replace(` ${PLUG_IN}`, '');
      const text = `The camera has been gone since ${timeOfDay(lost.timeMs)}: ${what}`;
      return { state, ok: false, sinceMs: lost.timeMs, text, advice };
    }
    if (state === 'idle' || state === 'opening') return at(false, 'The camera is being connected.');
    if (state === 'preparing') return at(false, 'Its script is being started.');
    if (state === 'paused') {
      return this.#bridge.streaming
        ? at(false, 'Frames are about to start.')
        : at(false, 'Frames are stopped.', 'Start them.');
    }
    if (state === 'closed') return at(false, 'The bridge has ended.', 'Start it again.');
    const still = Date.now() - Math.max(this.#lastFrameMs, this.#stateSince);
    if (still < STILL_MS) return at(true, 'Frames are coming.');
    const since = Date.now() - still;
    return {
      ...{ state: 'still', ok: false, sinceMs: since },
      text: `No frame has come since ${timeOfDay(since)}, while the camera is connected.`,
      advice: `Look at the output of its script, and whether it has the channel "${options.channel}".`,
    };
  }

  /** Of the algorithm; null: there is none. */
  get algorithm(): (Condition & { readonly log: readonly string[] }) | null {
    if (this.#bridge.options.runner === undefined) return null;
    const { algorithmFailure } = this.#bridge;
    const failed = this.#failed;
    const { state = 'idle', sinceMs = this.#stateSince } = this.#algorithm ?? {};
    const at = (
      text: string,
      advice: string | null = null,
      name: string = state,
      since = sinceMs,
    ): Condition & { log: string[] } => {
      return { state: name, ok: name === 'ready', sinceMs: since, text, advice, log: [...this.log] };
    };
    if (algorithmFailure) {
      const advice =
        'It is not started again. See what it said last, put it right, and start the bridge again.';
      return at(`The algorithm has failed for good: ${algorithmFailure.message}`, advice, 'failed');
    }
    const why = this.errors.findLast(({ code }) => /^(RUNNER|ALGORITHM)_/.test(code));
    switch (state) {
      case 'ready':
        return failed && Date.now() - failed.sinceMs >= STILL_MS
          ? at(withoutVerdict(failed), 'See what it said last.', 'failing', failed.sinceMs)
          : at('The algorithm is ready.');
      case 'restarting':
        return at(
          `The algorithm is being started again${why ? `: ${why.message}` : '.'}`,
          'See what it said last. Frames come all the same, without a verdict.',
        );
      case 'failed':
        return at('The algorithm has failed for good.', 'Start the bridge again when it is put right.');
      default:
        return at(`The algorithm is ${state}.`);
    }
  }

  /** Destinations of frames that fail now. */
  get failing(): readonly (Note & { readonly sink: string })[] {
    const unkept = this.#unkept();
    const notes = [...this.#failing].map(([sink, note]) => ({ sink: sink as string, ...note }));
    return unkept ? [...notes, { sink: 'kept-ng', ...unkept }] : notes;
  }

  /** Why the camera or its algorithm gives nothing now; none: all is well. */
  get reasons(): readonly { readonly code: string; readonly message: string }[] {
    const conditions = [this.camera, this.algorithm].filter((one) => one !== null && !one.ok);
    return conditions.map((one) => ({ code: one!.state, message: one!.text }));
  }

  #note(error: BridgeError, sink: SinkKind | undefined): void {
    const note = { timeMs: Date.now(), code: error.code, message: error.message };
    keep(this.errors, note, KEPT_ERRORS);
    if (sink !== undefined) this.#failing.set(sink, note);
  }
}

function withoutVerdict({ sinceMs, calls, message }: FailedCalls): string {
  const which = calls === 1 ? 'the last call has' : `the last ${calls} calls have`;
  return `The algorithm has given no verdict since ${timeOfDay(sinceMs)}; ${which} failed: ${message}`;
}

function keep<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.shift();
}

const timeOfDay = (ms: number): string => new Date(ms).toTimeString().slice(0, 8);
