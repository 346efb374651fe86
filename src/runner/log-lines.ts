/** What an adapter writes to stderr, as lines with a level. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly level: LogLevel;
  /** The line as it came, without its end; at most `MAX_LINE_CHARACTERS`. */
  readonly text: string;
  /** What it says: the `message` of a structured line, else the text. */
  readonly message: string;
  /** What else a structured line carries, besides its level, time and message. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Longest line; what is longer comes in pieces of this size. */
export const MAX_LINE_CHARACTERS = 64 * 1024;

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

/** The object of a structured line, such as the SDK and the common JSON loggers write; undefined for plain text. */
function structured(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Not JSON after all: judged as text.
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
export function parseLine(text: string): LogLine {
  const record = structured(text);
  if (record === undefined) return { level: levelOfText(text), text, message: text };
  const { level } = record;
  const named = typeof level === 'string' ? (LEVELS[level.toLowerCase()] ?? 'info') : undefined;
  const key = MESSAGE_KEYS.find((name) => typeof record[name] === 'string' && record[name] !== '');
  if (key === undefined) return { level: named ?? 'info', text, message: text };
  const rest = Object.entries(record).filter(
    ([name]) => name !== key && name !== 'level' && !TIME_KEYS.has(name),
  );
  const line = { level: named ?? 'info', text, message: String(record[key]) };
  return rest.length === 0 ? line : { ...line, fields: Object.fromEntries(rest) };
}

/** Cuts a byte stream into lines (LF, CR LF, or the CR of a progress bar); empty lines are left out. */
export class LineSplitter {
  readonly #line: (line: LogLine) => void;
  readonly #utf8 = new TextDecoder('utf-8');
  #pending = '';
  /** Inside a Python traceback, whose indented lines belong to the error. */
  #traceback = false;

  constructor(line: (line: LogLine) => void) {
    this.#line = line;
  }

  push(chunk: Uint8Array): void {
    this.#take(this.#utf8.decode(chunk, { stream: true }));
  }

  /** The stream is over: what is left is a line as well. */
  end(): void {
    this.#take(this.#utf8.decode());
    this.#emit(this.#pending);
    this.#pending = '';
  }

  #take(text: string): void {
    const lines = text.split(/[\r\n]+/);
    // Only the first piece continues what was pending, and only the last one is not ended.
    lines[0] = this.#pending + lines[0]!;
    this.#pending = lines.pop()!;
    for (const line of lines) this.#emit(line);
    while (this.#pending.length >= MAX_LINE_CHARACTERS) {
      this.#emit(this.#pending.slice(0, MAX_LINE_CHARACTERS));
      this.#pending = this.#pending.slice(MAX_LINE_CHARACTERS);
    }
  }

  #emit(line: string): void {
    for (let at = 0; at < line.length; at += MAX_LINE_CHARACTERS) {
      const parsed = parseLine(line.slice(at, at + MAX_LINE_CHARACTERS));
      const inside = this.#traceback && /^\s/.test(parsed.text);
      this.#traceback = inside || parsed.text.startsWith('Traceback (');
      this.#line(inside ? { ...parsed, level: 'error' } : parsed);
    }
  }
}

/** The last few lines of a log, shortened, for the context of an error. */
export class LogTail {
  readonly #lines: string[] = [];

  constructor(
    private readonly maxLines = 20,
    private readonly maxCharacters = 500,
  ) {}

  add(text: string): void {
    this.#lines.push(text.slice(0, this.maxCharacters));
    if (this.#lines.length > this.maxLines) this.#lines.shift();
  }

  get lines(): readonly string[] {
    return [...this.#lines];
  }
}
