/** Where a command's words go: data to stdout, everything else to stderr. */
import { type BridgeError, type ErrorPlace, errorLine } from '../errors.js';
import { inFlags } from './flags.js';
import {
  jsonLines,
  type Level,
  LOG_LEVELS,
  type LogEntry,
  type LogFields,
  prettyLine,
  Repeats,
} from './log.js';

/** Bytes that wait for a reader who stalls, beyond which what can be missed is left out. */
const MOST_WAITING = 1024 * 1024;
/** Of a terminal that does not say how many it has. */
const LEAST_ROWS = 24;

export interface OutputOptions {
  readonly json: boolean;
  readonly level: Level;
  /** Nothing but data and errors. */
  readonly quiet: boolean;
  /** Each line for people begins with the time, unless it goes to a terminal. */
  readonly times?: boolean;
  /** How the log is written; default: for people. */
  readonly format?: 'pretty' | 'json';
}

/** Lines about one camera. */
export type CameraLog = (level: Level, message: string, fields?: LogFields) => void;

export class Output {
  readonly json: boolean;
  #threshold = 0;
  readonly #times: boolean;
  readonly #repeats = new Repeats((entry, repeated) => this.#write(entry, repeated));
  /** Undefined: the log is for people. */
  readonly #json: ((entry: LogEntry, repeated: number) => void) | undefined;
  /** On a terminal: the lines at its end that change, by what they are about. */
  readonly #live = new Map<string, string>();
  #drawn = 0;
  #room: Promise<void> | undefined;
  /** Lines left out since the last one that was not. */
  #lost = 0;
  #lostLogs = 0;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.set({ logLevel: options.level, quiet: options.quiet });
    this.#times = options.times ?? false;
    if (options.format === 'json') this.#json = jsonLines((line) => process.stderr.write(line));
  }

  /** From now on log lines of this level are told. */
  set({ logLevel, quiet }: { readonly logLevel: Level; readonly quiet: boolean }): void {
    this.#threshold = LOG_LEVELS.indexOf(quiet ? 'error' : logLevel);
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
    this.#above(process.stdout, text);
  }

  /** A figure that on a terminal takes the place of the one before about the same thing; told like a log line of level info. */
  live(text: string, about = ''): void {
    const stream = this.#liveStream;
    if (!this.shows('info') || stream.writableNeedDrain) return;
    if (this.#json) {
      this.log('info', text.trim());
      return;
    }
    if (!stream.isTTY) {
      stream.write(`${this.#time(stream)}${text}\n`);
      return;
    }
    if (this.#live.size === 0) stream.on('resize', this.#redraw);
    this.#live.set(about, text);
    this.#redraw();
  }

  /** Ends the live lines: `erase` takes them back, else they stay as they are. */
  endLive(erase = false): void {
    const stream = this.#liveStream;
    if (this.#live.size === 0) return;
    stream.off('resize', this.#redraw);
    if (erase) this.#clear();
    else stream.write('\n');
    this.#live.clear();
    this.#drawn = 0;
  }

  /** Whether log lines of that level are written. */
  shows(level: Level): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#threshold;
  }

  /** A line of the log. What repeats is counted: `(repeated 37 times)`. */
  log(level: Level, message: string, fields: LogFields = {}): void {
    this.#log({ level, message, fields, prefix: '' });
  }

  /** The same about one camera; people read which one where there are several. */
  about(cameraId: string, several: boolean): CameraLog {
    const prefix = several ? `${cameraId} ` : '';
    return (level, message, fields) => this.#log({ level, message, fields: { cameraId, ...fields }, prefix });
  }

  /** Writes what was counted, at the end. */
  flush(): void {
    this.#repeats.flush();
  }

  #log(entry: LogEntry): void {
    if (this.shows(entry.level)) this.#repeats.push(entry);
  }

  #write(entry: LogEntry, repeated: number): void {
    const { stderr } = process;
    if (stderr.writableLength > MOST_WAITING) {
      this.#lostLogs += 1 + repeated;
      return;
    }
    const lost = this.#lostLogs;
    this.#lostLogs = 0;
    if (lost > 0) {
      const message = `${lost} lines were left out`;
      this.#put({ level: 'warn', message, fields: { lost }, prefix: '' }, 0);
    }
    this.#put(entry, repeated);
  }

  #put(entry: LogEntry, repeated: number): void {
    const { stderr } = process;
    if (this.#json) this.#json(entry, repeated);
    else this.#above(stderr, this.#time(stderr) + prettyLine(entry, repeated));
  }

  /** What an error says, and what lies behind it when asked for details. `told`: people have read it already. */
  error(error: BridgeError, told = false, level: 'error' | 'warn' = 'error', place?: ErrorPlace): void {
    const message = inFlags(error);
    if (this.json) this.spareLine({ ...errorLine(error, place), message });
    if (!told) this.log(level, message, { code: error.code, ...place });
    if (error.cause !== undefined) this.log('debug', `cause: ${String(error.cause)}`);
  }

  get #liveStream(): NodeJS.WriteStream {
    return this.json ? process.stderr : process.stdout;
  }

  #time(stream: NodeJS.WriteStream): string {
    return this.#times && !stream.isTTY ? `${new Date().toISOString()} ` : '';
  }

  /** Writes text; on the terminal of the live lines, above them. */
  #above(stream: NodeJS.WriteStream, text: string): void {
    const redraw = stream.isTTY && this.#drawn > 0;
    if (redraw) this.#clear();
    stream.write(text);
    if (redraw) this.#redraw();
  }

  #clear(): void {
    const up = this.#drawn > 1 ? `\u001b[${this.#drawn - 1}A` : '';
    if (this.#drawn > 0) this.#liveStream.write(`\r${up}\u001b[J`);
    this.#drawn = 0;
  }

  /** Lines have the width of the terminal, at most: one that wraps by itself could not be taken back. */
  readonly #redraw = (): void => {
    const stream = this.#liveStream;
    const width = Math.max(1, stream.columns - 1);
    const texts = [...this.#live.values()];
    const folded = texts.flatMap((text) => foldedAt(' | ', text, width));
    // What is above the first row could not be taken back either.
    const lines =
      folded.length < (stream.rows || LEAST_ROWS) ? folded : texts.map((text) => text.slice(0, width));
    this.#clear();
    stream.write(lines.join('\n'));
    this.#drawn = lines.length;
  };
}

/** A text as lines of that width, which begin where its parts do. A part that is wider is cut. */
function foldedAt(separator: string, text: string, width: number): string[] {
  const lines: string[] = [];
  for (const part of text.split(separator)) {
    const longer = `${lines.at(-1)}${separator}${part}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push((lines.length === 0 ? part : `  ${part.trimStart()}`).slice(0, width));
  }
  return lines;
}
