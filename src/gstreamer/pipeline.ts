/** A GStreamer pipeline as a child process that is fed JPEGs. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { splitWords } from '../command-line.js';
import { asBridgeError, BridgeError } from '../errors.js';
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
  readonly #gone: Promise<void>;
  readonly #failed: (error: BridgeError) => void;
  #output = '';
  #ended = false;
  #ending = false;
  #ready: (error?: BridgeError) => void = () => undefined;
  #beganMs: number | undefined;
  #busy = false;
  /** Frames given to the pipeline, and frames that it had no time for. */
  readonly stats = { written: 0, dropped: 0 };
  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };

  private constructor(text: string, words: readonly string[], failed: (error: BridgeError) => void) {
    this.#text = text;
    this.#failed = failed;
    this.#child = spawn(PROGRAM, [...SOURCE, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', GST_DEBUG_NO_COLOR: '1' },
    });
    const child = this.#child;
    // A pipe that is closed is explained by the child's end.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (READY.test(chunk)) this.#ready();
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#output = (this.#output + chunk).slice(-TAIL);
    });
    process.on('exit', this.#kill);
    this.#gone = new Promise((resolve) => {
      const over = (cause?: unknown): void => {
        if (this.#ended) return;
        this.#ended = true;
        process.off('exit', this.#kill);
        const error = this.#failure(cause);
        this.#ready(error);
        if (!this.#ending) this.#failed(error);
        resolve();
      };
      child.once('error', over);
      child.once('close', () => over());
    });
  }

  /**
   * Starts a pipeline; resolves when all its elements are ready for frames. UNSUPPORTED: GStreamer is not installed, or an
   * element is not; OPTION_INVALID: the pipeline is wrong or cannot be set up, with GStreamer's own words.
   * `failed` is told when it ends later without having been asked to.
   */
  static async start(text: string, failed: (error: BridgeError) => void): Promise<GstPipeline> {
    const words = pipelineWords(text);
    let started = false;
    const pipeline = new GstPipeline(text, words, (error) => {
      if (started) failed(error);
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        pipeline.#ready = (error) => (error ? reject(error) : resolve());
        timer = setTimeout(() => {
          reject(new BridgeError('OPTION_INVALID', `The GStreamer pipeline does not start: ${text}`));
        }, START_MS);
      });
      started = true;
      return pipeline;
    } catch (error) {
      await pipeline.close();
      throw asBridgeError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether it takes frames. */
  get running(): boolean {
    return !this.#ended && !this.#ending;
  }

  /** Gives it a frame, or drops it while the one before has not been taken in. Never waits. */
  offer(frame: GstFrame): void {
    if (!this.running) return;
    if (this.#busy) {
      this.stats.dropped++;
      return;
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
  }

  /** Ends the stream, lets the pipeline finish what it writes, and ends it if it does not. Idempotent. */
  async close(): Promise<void> {
    this.#ending = true;
    this.#child.stdin.end();
    const terms = setTimeout(() => this.#child.kill('SIGTERM'), FINISH_MS);
    const kills = setTimeout(this.#kill, FINISH_MS + KILL_MS);
    await this.#gone;
    clearTimeout(terms);
    clearTimeout(kills);
  }

  #failure(cause: unknown): BridgeError {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      return new BridgeError(
        'UNSUPPORTED',
        `There is no ${PROGRAM} here. Install the packages ${PACKAGES}.`,
        {
          cause,
        },
      );
    }
    const output = this.#output.trim();
    const context = { pipeline: this.#text, output };
    const element = /no element "([^"]+)"/.exec(output)?.[1];
    if (element !== undefined) {
      return new BridgeError(
        'UNSUPPORTED',
        `GStreamer has no element "${element}". Install the package it is in (the packages ${PACKAGES}; x264enc is in gstreamer1.0-plugins-ugly), or correct the pipeline.`,
        { context },
      );
    }
    const words = /ERROR: (.*)/.exec(output)?.[1] ?? /erroneous pipeline: (.*)/.exec(output)?.[1];
    return new BridgeError(
      'OPTION_INVALID',
      `The GStreamer pipeline ended: ${words ?? (output || String(cause ?? 'it gave no reason'))} (${this.#text})`,
      { context, cause },
    );
  }
}
