/** A GStreamer pipeline as a child process that is fed JPEGs. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { type Deferred, deferred, within } from '../async.js';
import { splitWords } from '../command-line.js';
import { BridgeError } from '../errors.js';
import { CAPS_LOG, LastWords, PROGRAM } from './last-words.js';
import { type GstFrame, MatroskaStream } from './matroska.js';

/** Elements in front of the user's. */
const SOURCE = ['fdsrc', 'fd=0', '!', 'matroskademux', '!', 'jpegdec', '!'];
/** How long a pipeline may take until it waits for frames. */
const START_MS = 10_000;
const TAIL = 2_000;
/** From SIGTERM to SIGKILL, when it has not finished its files in time. */
const KILL_MS = 2_000;
/** While it finishes them that is said, first after 2 s and then every 10 s. */
const FIRST_SAID_MS = 2_000;
const SAID_MS = 10_000;
const SECOND_MS = 1_000;
/** What gst-launch-1.0 says when every element has got ready, and when the first frame has come to its end. */
const READY = /PREROLLING/;
const FLOWING = /PREROLLED|to PLAYING/;
/** How long the rate of the first frames is measured: then two are enough, and in the end one. */
const MEASURE_MS = 1_000;
const LONGEST_MEASURE_MS = 2_000;
/** A pipeline that has had frames for so long without a failure takes them: encoders that look ahead give the first one late. */
const PROVEN_MS = 2_000;
/** Frames that may wait for a pipeline that has just got those over which the rate was measured. */
const CATCH_UP = 24;

/** What a running pipeline tells. */
export interface GstHandlers {
  /** It has ended without having been asked to. */
  ended(error: BridgeError): void;
  /** It takes the frames: it has had some, and can work with them. */
  flows?(): void;
  /** It has been finishing its files for that long. */
  finishing?(ms: number): void;
  /** A piece of what it writes to stderr. */
  stderr?(chunk: Uint8Array): void;
}

export interface GstOptions {
  /** Of a frame, in nanoseconds, where it is known already; else it is measured. */
  readonly durationNs?: number | undefined;
  /** What the sensor is set to, in frames per second; the measured rate is not exact. */
  readonly sensorRate?: number | undefined;
  /** From the end of the frames to SIGTERM: files are finished in that time. */
  readonly finishMs: number;
  /** Ends the start, not what has started. */
  readonly signal?: AbortSignal | undefined;
}

/** The words of a pipeline; OPTION_INVALID. A shell never sees them. */
export function pipelineWords(text: string): string[] {
  const words = splitWords(text, 'GStreamer pipeline');
  if (words[0] === '!' || words.at(-1) === '!') {
    throw new BridgeError('OPTION_INVALID', `The GStreamer pipeline begins or ends with "!": ${text}`);
  }
  return words;
}

export class GstPipeline {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #text: string;
  readonly #handlers: GstHandlers;
  readonly #finishMs: number;
  readonly #stream: MatroskaStream;
  readonly #words = new LastWords();
  readonly #ready = deferred();
  readonly #gone = deferred();
  #said = '';
  #ended = false;
  #ending = false;
  /** When it got its last frame. */
  #endedMs = 0;
  /** Why it ended before it was ready. */
  #startError: BridgeError | undefined;
  /** Writes that have not been taken in, and who waits for that. */
  #pending = 0;
  #room: Deferred | undefined;
  #catchingUp = true;
  #proven = false;
  #measuring: NodeJS.Timeout | undefined;
  #proving: NodeJS.Timeout | undefined;
  /** The signal it got because it took too long to finish. */
  #late: NodeJS.Signals | undefined;
  #unfinished: BridgeError | undefined;
  /** Frames given to the pipeline, and frames that it had no time for. */
  readonly stats = { written: 0, dropped: 0 };
  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };

  private constructor(text: string, words: readonly string[], handlers: GstHandlers, options: GstOptions) {
    this.#text = text;
    this.#handlers = handlers;
    this.#finishMs = options.finishMs;
    this.#stream = new MatroskaStream(options.durationNs, options.sensorRate);
    const { GST_DEBUG, ...env } = process.env;
    this.#child = spawn(PROGRAM, [...SOURCE, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C in a terminal would make it leave its files unfinished. It ends with its stdin.
      detached: true,
      env: {
        ...env,
        LC_ALL: 'C',
        GST_DEBUG: GST_DEBUG ? `${GST_DEBUG},${CAPS_LOG}` : CAPS_LOG,
        GST_DEBUG_NO_COLOR: '1',
      },
    });
    const child = this.#child;
    // A pipe that is closed is explained by the child's end.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => this.#hear(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      this.#words.push(chunk);
      handlers.stderr?.(chunk);
    });
    process.on('exit', this.#kill);
    const over = (code: number | null, cause: unknown): void => {
      if (this.#ended) return;
      this.#ended = true;
      process.off('exit', this.#kill);
      clearTimeout(this.#measuring);
      clearTimeout(this.#proving);
      const error = this.#words.failure(text, cause);
      this.#startError = error;
      this.#ready.resolve();
      this.#room?.resolve();
      if (!this.#ending) handlers.ended(error);
      // Without a single frame there is nothing to finish, and GStreamer takes an empty stream for an error.
      else if (code !== 0 && this.#stream.begun) {
        this.#unfinished = this.#words.unfit && !this.#proven ? error : this.#loss(error, cause);
      }
      this.#gone.resolve();
    };
    child.once('error', (error) => over(null, error));
    child.once('close', (code, signal) => over(code, signal === null ? undefined : `ended by ${signal}`));
  }

  /**
   * Starts a pipeline; resolves when all its elements are ready for frames. UNSUPPORTED: GStreamer is not installed, or an
   * element is not; OPTION_INVALID: the pipeline is wrong or cannot be set up, with GStreamer's own words;
   * `signal.reason` when aborted. Handlers hear of its end after that only. Whether it can work with the frames shows
   * when it has had some: `flows`, or `ended`.
   */
  static async start(text: string, handlers: GstHandlers, options: GstOptions): Promise<GstPipeline> {
    const { signal } = options;
    const words = pipelineWords(text);
    signal?.throwIfAborted();
    let started = false;
    const heard: GstHandlers = {
      ...handlers,
      ended: (error) => {
        if (started) handlers.ended(error);
      },
    };
    const pipeline = new GstPipeline(text, words, heard, options);
    const late = (): BridgeError =>
      new BridgeError('OPTION_INVALID', `The GStreamer pipeline does not start: ${text}`);
    try {
      await within(pipeline.#ready.promise, START_MS, late, signal);
      if (pipeline.#startError) throw pipeline.#startError;
      started = true;
      return pipeline;
    } catch (error) {
      pipeline.#kill();
      await pipeline.#gone.promise;
      throw error;
    }
  }

  /** Whether it takes frames. */
  get running(): boolean {
    return !this.#ended && !this.#ending;
  }

  /** Of a frame, in nanoseconds, as it was measured; undefined: not yet. */
  get durationNs(): number | undefined {
    return this.#stream.durationNs;
  }

  /**
   * Gives it a frame, or drops it while the ones before have not been taken in: false. Never waits. The first frames,
   * over which the rate is measured, are given to it together.
   */
  offer(frame: GstFrame): boolean {
    if (!this.running) return false;
    if (this.#pending >= (this.#catchingUp ? CATCH_UP : 1)) {
      this.stats.dropped++;
      return false;
    }
    this.stats.written++;
    this.#write(this.#stream.push(frame));
    if (!this.#stream.begun) this.#measuring ??= setTimeout(() => this.#measured(false), MEASURE_MS);
    return true;
  }

  /** Settles when it has taken in what it was given: true, or has ended before: false. */
  async room(): Promise<boolean> {
    while (this.#pending > 0 && !this.#ended) {
      this.#room ??= deferred();
      await this.#room.promise;
    }
    return !this.#ended;
  }

  /**
   * Ends the stream, lets the pipeline finish what it writes, and ends it if it does not. FILE_FAILED: it failed
   * meanwhile, or had to be ended, so that a file may be unfinished; OPTION_INVALID: it could not work with the frames.
   * Aborting `signal` takes it its time for that. Idempotent.
   */
  async close(signal?: AbortSignal): Promise<void> {
    const first = !this.#ending;
    this.#ending = true;
    clearTimeout(this.#measuring);
    if (first) this.#endedMs = performance.now();
    if (first && !this.#ended) {
      if (!this.#stream.begun) this.#write(this.#stream.begin());
      this.#child.stdin.end();
    }
    let saying: NodeJS.Timeout | undefined;
    const say = (): void => {
      this.#handlers.finishing?.(performance.now() - this.#endedMs);
      saying = setTimeout(say, SAID_MS);
    };
    const end = (how: NodeJS.Signals) => (): void => {
      this.#late = how;
      this.#child.kill(how);
    };
    // Without a frame there is nothing to finish, and gst-launch-1.0 may wait for one for ever.
    const finishMs = this.#stream.begun && !signal?.aborted ? this.#finishMs : 0;
    const terms = setTimeout(end('SIGTERM'), finishMs);
    const kills = setTimeout(end('SIGKILL'), finishMs + KILL_MS);
    if (first) saying = setTimeout(say, FIRST_SAID_MS);
    const hurry = end('SIGTERM');
    signal?.addEventListener('abort', hurry);
    await this.#gone.promise;
    signal?.removeEventListener('abort', hurry);
    for (const timer of [saying, terms, kills]) clearTimeout(timer);
    if (this.#unfinished) throw this.#unfinished;
  }

  /** The rate is what it seems to be by now. A single frame tells none: the next one is waited for a little longer. */
  #measured(last: boolean): void {
    if (!last && this.#stream.held === 1) {
      this.#measuring = setTimeout(() => this.#measured(true), LONGEST_MEASURE_MS - MEASURE_MS);
    } else if (!this.#stream.begun) this.#write(this.#stream.begin());
  }

  #write(chunks: readonly Uint8Array[]): void {
    const last = chunks.at(-1);
    if (last === undefined) return;
    this.#proving ??= setTimeout(() => this.#prove(), PROVEN_MS);
    const { stdin } = this.#child;
    for (const chunk of chunks.slice(0, -1)) stdin.write(chunk);
    this.#pending++;
    stdin.write(last, () => {
      this.#pending--;
      if (this.#pending > 0) return;
      this.#catchingUp = false;
      this.#room?.resolve();
      this.#room = undefined;
    });
  }

  #hear(chunk: string): void {
    this.#said = (this.#said + chunk).slice(-TAIL);
    if (READY.test(this.#said)) this.#ready.resolve();
    if (FLOWING.test(this.#said)) this.#prove();
  }

  #prove(): void {
    if (this.#proven || this.#ending) return;
    this.#proven = true;
    clearTimeout(this.#proving);
    this.#handlers.flows?.();
  }

  /** Why what it wrote may be unfinished. */
  #loss({ message, context }: BridgeError, cause: unknown): BridgeError {
    const why =
      this.#late === undefined
        ? `Its last frame was followed by a failure. ${message}`
        : `It had not finished ${Math.round((performance.now() - this.#endedMs) / SECOND_MS)} s after its last frame and was ended (${this.#late}): ${this.#text}`;
    const what = 'What the GStreamer pipeline writes, such as a file, may be unfinished.';
    return new BridgeError('FILE_FAILED', `${what} ${why}`, { context, cause });
  }
}
