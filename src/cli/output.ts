/** Where a command's words go: data to stdout, everything else to stderr. */
import { errorLine } from '../bridge/index.js';
import type { BridgeError } from '../errors.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LOG_LEVELS)[number];

const CLEAR_LINE = '\r\u001b[K';
/** Bytes that wait for a reader who stalls, beyond which what can be missed is left out. */
const MOST_WAITING = 1024 * 1024;

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
  #room: Promise<void> | undefined;
  /** Lines left out since the last one that was not. */
  #lost = 0;
  #lostLogs = 0;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.#threshold = LOG_LEVELS.indexOf(options.quiet ? 'error' : options.level);
    this.#quiet = options.quiet;
  }

  /** One JSON object on a line of stdout. */
  line(value: object): void {
    process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** The same, left out while a reader who stalls has too much before him; a line `lost` then says how many were. */
  spareLine(value: object): void {
    if (process.stdout.writableLength > MOST_WAITING) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) this.line({ type: 'lost', timestampMs: Date.now(), count: this.#lost });
    this.#lost = 0;
    this.line(value);
  }

  /** A line that is worth nothing later: left out while stdout's reader stalls. */
  momentLine(value: object): void {
    if (!process.stdout.writableNeedDrain) this.spareLine(value);
  }

  /** Until stdout's reader has caught up, or has gone; undefined: there is room. */
  get room(): Promise<void> | undefined {
    if (!process.stdout.writableNeedDrain) return undefined;
    this.#room ??= new Promise((resolve) => {
      const done = (): void => {
        this.#room = undefined;
        process.stdout.off('drain', done).off('error', done);
        resolve();
      };
      process.stdout.on('drain', done).on('error', done);
    });
    return this.#room;
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
    if (stream.writableNeedDrain) return;
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

  /** Whether log lines of that level are written. */
  shows(level: Level): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#threshold;
  }

  log(level: Level, message: string): void {
    if (!this.shows(level)) return;
    if (process.stderr.writableLength > MOST_WAITING) {
      this.#lostLogs++;
      return;
    }
    this.#endLive();
    if (this.#lostLogs > 0) process.stderr.write(`warn: ${this.#lostLogs} lines were left out\n`);
    this.#lostLogs = 0;
    process.stderr.write(`${level === 'info' ? '' : `${level}: `}${message}\n`);
  }

  /** What an error says, and what lies behind it when asked for details. `told`: people have read it already. */
  error(error: BridgeError, told = false, level: 'error' | 'warn' = 'error', cameraId?: string): void {
    if (this.json) this.spareLine(errorLine(error, cameraId));
    if (!told) this.log(level, `${error.message} [${error.code}]`);
    if (error.cause !== undefined) this.log('debug', `cause: ${String(error.cause)}`);
  }

  #endLive(): void {
    if (!this.#live) return;
    this.#live = false;
    (this.json ? process.stderr : process.stdout).write('\n');
  }
}
