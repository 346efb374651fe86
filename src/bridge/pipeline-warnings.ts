/** What GStreamer warns of, line by line, and never more than can be read. */
import { LineSplitter } from '../runner/index.js';

/** In the words of an element, of GLib, and of the log that GST_DEBUG switches on. */
const WARNING = /\b(?:WARN|WARNING|CRITICAL)\b/;
/** What is reported as an error, or was settled: caps that one element refused, and another form took their place. */
const NO_WARNING = /erroneous pipeline|\bGST_CAPS\b/;
const MAX_LINES = 5;
const WINDOW_MS = 10_000;
const MAX_CHARACTERS = 500;

export class PipelineWarnings {
  readonly #tell: (text: string) => void;
  readonly #lines = new LineSplitter(({ text }) => this.#line(text));
  #windowBeganMs = Number.NEGATIVE_INFINITY;
  #told = 0;
  #hidden = 0;

  /** `tell` gets at most five lines in ten seconds, and how many more there were. */
  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  /** A piece of the program's stderr. */
  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  /** The program has ended. */
  end(): void {
    this.#lines.end();
    this.#tellHidden();
  }

  #line(text: string): void {
    if (!WARNING.test(text) || NO_WARNING.test(text)) return;
    const now = performance.now();
    if (now - this.#windowBeganMs >= WINDOW_MS) {
      this.#tellHidden();
      this.#windowBeganMs = now;
      this.#told = 0;
    }
    if (this.#told >= MAX_LINES) {
      this.#hidden++;
      return;
    }
    this.#told++;
    this.#tell(text.slice(0, MAX_CHARACTERS));
  }

  #tellHidden(): void {
    if (this.#hidden > 0) this.#tell(`${this.#hidden} more warnings of GStreamer are left out`);
    this.#hidden = 0;
  }
}
