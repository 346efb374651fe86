/** What an adapter writes to stderr, as lines with a level, at a bounded rate. */
import { parseJson } from '../json.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly level: LogLevel;
  /** The line as it came, without its end and colours; control characters are escaped. */
  readonly text: string;
  /** What it says: the `message` of a structured line, else the text. */
  readonly message: string;
  /** What else a structured line carries, besides its level, time and message. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Longest line; the rest of a longer one is left out and counted. */
export const MAX_LINE_CHARACTERS = 16 * 1024;
const WINDOW_MS = 1_000;
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 20;
const TAIL_CHARACTERS = 500;
const LF = 0x0a;
const CR = 0x0d;

const LEVELS: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  trace: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  critical: 'error',
  fatal: 'error',
};

/** A level's name near the start of a line, in capitals as Python's logging writes it. */
const NAMED_LEVEL = /^(?:\S+\s+){0,6}\W?(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b/;
const EXCEPTION = /^(?:Traceback \(most recent call last\)|[\w.]*(?:Error|Exception)\b: )/;
const MESSAGE_KEYS = ['message', 'msg', 'event'] as const;
const TIME_KEYS: ReadonlySet<string> = new Set(['timestamp_ms', 'timestamp', 'time', 'ts']);
const COLOURS = /\p{Cc}\[[0-9;]*m/gu;
/** Besides the control characters, those that turn the direction of writing. */
const CONTROL = /(?!\t)[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** Text that a terminal shows as it stands: what a program prints must not move the cursor or ring the bell. */
export function printable(text: string): string {
  return text
    .replace(COLOURS, '')
    .replace(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The object of a structured line, such as the SDK and the common JSON loggers write; undefined for plain text. */
function structured(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value = parseJson(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not JSON after all, or nested too deep: judged as text.
    return undefined;
  }
}

/** The level of a line of text: from Python's logging, or the look of an exception. */
function levelOfText(text: string): LogLevel {
  if (EXCEPTION.test(text)) return 'error';
  const named = NAMED_LEVEL.exec(text.slice(0, 200))?.[1];
  return named === undefined ? 'info' : (LEVELS[named.toLowerCase()] ?? 'info');
}

/** Reads one line: its level, what it says to people, and what else it carries. */
export function parseLine(line: string): LogLine {
  const text = printable(line);
  const record = structured(line);
  if (record === undefined) return { level: levelOfText(text), text, message: text };
  const named = typeof record['level'] === 'string' ? LEVELS[record['level'].toLowerCase()] : undefined;
  const level = named ?? 'info';
  const key = MESSAGE_KEYS.find((name) => typeof record[name] === 'string' && record[name] !== '');
  if (key === undefined) return { level, text, message: text };
  const rest = Object.entries(record)
    .filter(([name]) => name !== key && name !== 'level' && !TIME_KEYS.has(name))
    .map(([name, value]) => [printable(name), typeof value === 'string' ? printable(value) : value]);
  const parsed = { level, text, message: printable(String(record[key])) };
  return rest.length === 0 ? parsed : { ...parsed, fields: Object.fromEntries(rest) };
}

/**
 * Cuts a byte stream into lines (LF, CR LF, or the CR of a progress bar); empty lines are left out. Beyond
 * `linesPerSecond` lines are counted instead, and a line says how many.
 */
export class LineSplitter {
  readonly #line: (line: LogLine) => void;
  readonly #linesPerSecond: number;
  readonly #utf8 = new TextDecoder('utf-8');
  #pending = '';
  /** Characters of the pending line beyond the longest. */
  #excess = 0;
  /** The pending line belongs to those that were left out. */
  #skipping = false;
  /** Inside a Python traceback, whose indented lines belong to the error. */
  #traceback = false;
  #windowEndMs = 0;
  #inWindow = 0;
  #unsaid = 0;
  #note: NodeJS.Timeout | undefined;
  /** Lines that were left out so far. */
  leftOut = 0;

  constructor(line: (line: LogLine) => void, linesPerSecond = Number.POSITIVE_INFINITY) {
    this.#line = line;
    this.#linesPerSecond = linesPerSecond;
  }

  push(chunk: Uint8Array): void {
    if (this.#room()) this.#take(this.#utf8.decode(chunk, { stream: true }));
    else this.#skip(chunk);
  }

  /** The stream is over: what is left is a line as well. */
  end(): void {
    this.#take(`${this.#utf8.decode()}\n`);
    this.#sayLeftOut();
  }

  #take(text: string): void {
    const lines = text.split(/[\r\n]+/);
    const last = lines.pop()!;
    for (const line of lines) {
      this.#append(line);
      this.#endLine();
    }
    this.#append(last);
  }

  #append(piece: string): void {
    const kept = piece.slice(0, MAX_LINE_CHARACTERS - this.#pending.length);
    this.#pending += kept;
    this.#excess += piece.length - kept.length;
  }

  #endLine(): void {
    const line = this.#excess === 0 ? this.#pending : `${this.#pending}... (${this.#excess} more characters)`;
    this.#pending = '';
    this.#excess = 0;
    if (line === '' && !this.#skipping) return;
    if (!this.#skipping && this.#room()) this.#emit(line);
    else this.#leaveOut(1);
    this.#skipping = false;
  }

  #emit(line: string): void {
    this.#inWindow++;
    const parsed = parseLine(line);
    const inside = this.#traceback && /^\s/.test(line);
    this.#traceback = inside || line.startsWith('Traceback (');
    this.#line(inside ? { ...parsed, level: 'error' } : parsed);
  }

  /** Whether one more line may be given out in this second. */
  #room(): boolean {
    if (this.#inWindow < this.#linesPerSecond) return true;
    if (performance.now() < this.#windowEndMs) return false;
    this.#windowEndMs = performance.now() + WINDOW_MS;
    this.#inWindow = 0;
    return true;
  }

  /** A flood is counted without being decoded. */
  #skip(chunk: Uint8Array): void {
    let lines = 0;
    let before = this.#pending === '' && !this.#skipping ? LF : 0;
    // Not for...of, which takes twenty times as long for bytes.
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if ((byte === LF || byte === CR) && before !== LF && before !== CR) lines++;
      before = byte;
    }
    this.#leaveOut(lines);
    this.#utf8.decode();
    this.#pending = '';
    this.#excess = 0;
    this.#skipping = before !== LF && before !== CR;
  }

  #leaveOut(lines: number): void {
    this.leftOut += lines;
    this.#unsaid += lines;
    if (this.#unsaid > 0) this.#note ??= setTimeout(() => this.#sayLeftOut(), WINDOW_MS);
  }

  #sayLeftOut(): void {
    clearTimeout(this.#note);
    this.#note = undefined;
    if (this.#unsaid === 0) return;
    const text = `${this.#unsaid} lines of the log were left out: at most ${this.#linesPerSecond} a second are kept`;
    this.#unsaid = 0;
    this.#line({ level: 'warn', text, message: text });
  }
}

/** The last few lines of a stream, shortened, for the context of an error. Knows nothing of lines left out. */
export class LogTail {
  readonly #chunks: Buffer[] = [];
  #length = 0;

  push(chunk: Uint8Array): void {
    const last = Buffer.from(chunk.subarray(-TAIL_BYTES));
    this.#chunks.push(last);
    this.#length += last.length;
    while (this.#length - this.#chunks[0]!.length >= TAIL_BYTES) this.#length -= this.#chunks.shift()!.length;
  }

  get lines(): readonly string[] {
    const lines = Buffer.concat(this.#chunks)
      .toString()
      .split(/[\r\n]+/)
      .filter((line) => line !== '');
    return lines.slice(-TAIL_LINES).map((line) => printable(line).slice(0, TAIL_CHARACTERS));
  }
}
