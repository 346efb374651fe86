/** What an adapter writes to stderr, as lines with a level. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly level: LogLevel;
  /** The line as it came, without its end; at most `MAX_LINE_CHARACTERS`. */
  readonly text: string;
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

/** The level of one line: from the SDK's JSON log lines, Python's logging, or the look of an exception. */
export function levelOf(text: string): LogLevel {
  if (text.startsWith('{')) {
    try {
      const level = (JSON.parse(text) as { level?: unknown }).level;
      if (typeof level === 'string') return LEVELS[level.toLowerCase()] ?? 'info';
    } catch {
      // Not JSON after all: judged as text.
    }
  }
  if (EXCEPTION.test(text)) return 'error';
  const named = NAMED_LEVEL.exec(text.slice(0, 200))?.[1];
  return named === undefined ? 'info' : (LEVELS[named.toLowerCase()] ?? 'info');
}

/** Cuts a byte stream into lines (LF, CR LF, or the CR of a progress bar); empty lines are left out. */
export class LineSplitter {
  readonly #line: (line: LogLine) => void;
  readonly #utf8 = new TextDecoder('utf-8');
  #pending = '';

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
      const text = line.slice(at, at + MAX_LINE_CHARACTERS);
      this.#line({ level: levelOf(text), text });
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
