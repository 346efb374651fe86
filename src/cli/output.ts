/** Where a command's words go: data to stdout, everything else to stderr. */
import type { BridgeError } from '../errors.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LOG_LEVELS)[number];

const CLEAR_LINE = '\r\u001b[K';

export interface OutputOptions {
  readonly json: boolean;
  readonly level: Level;
  /** Nothing but data and errors. */
  readonly quiet: boolean;
}

export class Output {
  readonly json: boolean;
  readonly #threshold: number;
  readonly #quiet: boolean;
  #live = false;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.#threshold = LOG_LEVELS.indexOf(options.quiet ? 'error' : options.level);
    this.#quiet = options.quiet;
  }

  /** One JSON object on a line of stdout. */
  line(value: object): void {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Text for people, on stdout. */
  text(text: string): void {
    this.#endLive();
    process.stdout.write(text);
  }

  /** A line that on a terminal takes the place of the one before. */
  live(text: string): void {
    if (this.#quiet) return;
    const stream = this.json ? process.stderr : process.stdout;
    if (stream.isTTY) {
      stream.write(CLEAR_LINE + text);
      this.#live = true;
    } else {
      stream.write(`${text}\n`);
    }
  }

  /** Takes back a live line, where it was one. */
  erase(): void {
    if (!this.#live) return;
    this.#live = false;
    (this.json ? process.stderr : process.stdout).write(CLEAR_LINE);
  }

  log(level: Level, message: string): void {
    if (LOG_LEVELS.indexOf(level) < this.#threshold) return;
    this.#endLive();
    process.stderr.write(`${level === 'info' ? '' : `${level}: `}${message}\n`);
  }

  /** What an error says, and what lies behind it when asked for details. */
  error(error: BridgeError): void {
    if (this.json) this.line({ type: 'error', code: error.code, message: error.message });
    this.log('error', `${error.message} [${error.code}]`);
    if (error.cause !== undefined) this.log('debug', `cause: ${String(error.cause)}`);
  }

  #endLive(): void {
    if (!this.#live) return;
    this.#live = false;
    (this.json ? process.stderr : process.stdout).write('\n');
  }
}
