/** A GStreamer pipeline as a child process that is fed JPEGs. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { deferred, within } from '../async.js';
import { splitWords } from '../command-line.js';
import { BridgeError } from '../errors.js';
import { matroskaFrameHead, matroskaHead } from './matroska.js';

const PROGRAM = 'gst-launch-1.0';
const PACKAGES = 'gstreamer1.0-tools, gstreamer1.0-plugins-base and gstreamer1.0-plugins-good';
/** Elements in front of the user's. */
const SOURCE = ['fdsrc', 'fd=0', '!', 'matroskademux', '!', 'jpegdec', '!'];
/** How long a pipeline may take until it waits for frames. */
const START_MS = 10_000;
/** From the end of the frames to SIGTERM, and from there to SIGKILL: files are finished in that time. */
const FINISH_MS = 5_000;
const KILL_MS = 2_000;
const TAIL = 2_000;
const SECOND_MS = 1_000;
/** What gst-launch-1.0 says when every element has got ready. */
const READY = /PREROLL/;

export interface GstFrame {
  readonly jpeg: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Unix milliseconds. */
  readonly timestampMs: number;
}

/** What a running pipeline tells. */
export interface GstHandlers {
  /** It has ended without having been asked to. */
  ended(error: BridgeError): void;
  /** A piece of what it writes to stderr. */
  stderr?(chunk: Uint8Array): void;
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
  readonly #ready = deferred();
  readonly #gone = deferred();
  #output = '';
  #ended = false;
  #ending = false;
  /** Why it ended before it was ready. */
  #startError: BridgeError | undefined;
  #beganMs: number | undefined;
  #busy = false;
  /** The signal it got because it took too long to finish. */
  #late: NodeJS.Signals | undefined;
  #unfinished: BridgeError | undefined;
  /** Frames given to the pipeline, and frames that it had no time for. */
  readonly stats = { written: 0, dropped: 0 };
  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };

  private constructor(text: string, words: readonly string[], handlers: GstHandlers) {
    this.#text = text;
    this.#child = spawn(PROGRAM, [...SOURCE, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C in a terminal would make it leave its files unfinished. It ends with its stdin.
      detached: true,
      env: { ...process.env, LC_ALL: 'C', GST_DEBUG_NO_COLOR: '1' },
    });
    const child = this.#child;
    // A pipe that is closed is explained by the child's end.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (READY.test(chunk)) this.#ready.resolve();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-TAIL);
      handlers.stderr?.(chunk);
    });
    process.on('exit', this.#kill);
    const over = (code: number | null, cause: unknown): void => {
      if (this.#ended) return;
      this.#ended = true;
      process.off('exit', this.#kill);
      const error = this.#failure(cause);
      this.#startError = error;
      this.#ready.resolve();
      if (!this.#ending) handlers.ended(error);
      // Without a single frame there is nothing to finish, and GStreamer takes an empty stream for an error.
      else if (code !== 0 && this.#beganMs !== undefined) this.#unfinished = this.#loss(cause);
      this.#gone.resolve();
    };
    child.once('error', (error) => over(null, error));
    child.once('close', (code, signal) => over(code, signal === null ? undefined : `ended by ${signal}`));
  }

  /**
   * Starts a pipeline; resolves when all its elements are ready for frames. UNSUPPORTED: GStreamer is not installed, or an
   * element is not; OPTION_INVALID: the pipeline is wrong or cannot be set up, with GStreamer's own words;
   * `signal.reason` when aborted. Handlers hear of its end after that only.
   */
  static async start(text: string, handlers: GstHandlers, signal?: AbortSignal): Promise<GstPipeline> {
    const words = pipelineWords(text);
    signal?.throwIfAborted();
    let started = false;
    const pipeline = new GstPipeline(text, words, {
      ...handlers,
      ended: (error) => {
        if (started) handlers.ended(error);
      },
    });
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

  /** Gives it a frame, or drops it while the one before has not been taken in: false. Never waits. */
  offer(frame: GstFrame): boolean {
    if (!this.running) return false;
    if (this.#busy) {
      this.stats.dropped++;
      return false;
    }
    const { stdin } = this.#child;
    if (this.#beganMs === undefined) {
      this.#beganMs = frame.timestampMs;
      stdin.write(matroskaHead(frame.width, frame.height));
    }
    this.#busy = true;
    stdin.write(matroskaFrameHead(frame.timestampMs - this.#beganMs, frame.jpeg.length));
    stdin.write(frame.jpeg, () => {
      this.#busy = false;
    });
    this.stats.written++;
    return true;
  }

  /**
   * Ends the stream, lets the pipeline finish what it writes, and ends it if it does not. FILE_FAILED: it failed
   * meanwhile, or had to be ended, so that a file may be unfinished. Idempotent.
   */
  async close(): Promise<void> {
    this.#ending = true;
    this.#child.stdin.end();
    const end = (signal: NodeJS.Signals) => (): void => {
      this.#late = signal;
      this.#child.kill(signal);
    };
    const terms = setTimeout(end('SIGTERM'), FINISH_MS);
    const kills = setTimeout(end('SIGKILL'), FINISH_MS + KILL_MS);
    await this.#gone.promise;
    clearTimeout(terms);
    clearTimeout(kills);
    if (this.#unfinished) throw this.#unfinished;
  }

  /** Why what it wrote may be unfinished. */
  #loss(cause: unknown): BridgeError {
    const { message, context } = this.#failure(cause);
    const why =
      this.#late === undefined
        ? `Its last frame was followed by a failure. ${message}`
        : `It had not finished ${FINISH_MS / SECOND_MS} s after its last frame and was ended (${this.#late}): ${this.#text}`;
    const what = 'What the GStreamer pipeline writes, such as a file, may be unfinished.';
    return new BridgeError('FILE_FAILED', `${what} ${why}`, { context, cause });
  }

  #failure(cause: unknown): BridgeError {
    const output = this.#output.trim();
    const fail = (code: 'UNSUPPORTED' | 'OPTION_INVALID', message: string): BridgeError =>
      new BridgeError(code, message, { context: { pipeline: this.#text, output }, cause });
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      return fail('UNSUPPORTED', `There is no ${PROGRAM} here. Install the packages ${PACKAGES}.`);
    }
    const element = /no element "([^"]+)"/.exec(output)?.[1];
    if (element !== undefined) {
      return fail(
        'UNSUPPORTED',
        `GStreamer has no element "${element}". Install the package it is in (the packages ${PACKAGES}; x264enc is in gstreamer1.0-plugins-ugly), or correct the pipeline.`,
      );
    }
    const words = /ERROR: (.*)/.exec(output)?.[1] ?? /erroneous pipeline: (.*)/.exec(output)?.[1];
    const why = words ?? String(cause ?? (output || 'it gave no reason'));
    return fail('OPTION_INVALID', `The GStreamer pipeline ended: ${why} (${this.#text})`);
  }
}
