/** Lines of the log: one form for people, one for programs, and what repeats is counted instead of written. */
import { createRequire } from 'node:module';
import type { Logger } from 'pino';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LOG_LEVELS)[number];

/** What a line has beside its text; in the form for programs, fields of its object. */
export interface LogFields {
  readonly cameraId?: string | undefined;
  /** Of an error. */
  readonly code?: string | undefined;
  /** What a structured line of an algorithm has beside its message. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
  readonly [name: string]: unknown;
}

export interface LogEntry {
  readonly level: Level;
  readonly message: string;
  readonly fields: LogFields;
  /** People read it before the message: which camera, where there are several. */
  readonly prefix: string;
}

/** For people, on one line. */
export function prettyLine({ level, message, fields, prefix }: LogEntry, repeated: number): string {
  const given = Object.entries(fields.fields ?? {}).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const code = fields.code === undefined ? '' : ` [${fields.code}]`;
  const times = repeated === 0 ? '' : ` (repeated ${repeated} time${repeated === 1 ? '' : 's'})`;
  return `${level === 'info' ? '' : `${level}: `}${prefix}${message}${given.join('')}${code}${times}\n`;
}

/** For programs: pino makes each line an object. It is loaded when it is asked for. */
export function jsonLines(write: (line: string) => void): (entry: LogEntry, repeated: number) => void {
  const { pino } = createRequire(import.meta.url)('pino') as typeof import('pino');
  const logger: Logger = pino({ level: 'debug', formatters: { level: (level) => ({ level }) } }, { write });
  return ({ level, message, fields }, repeated) => {
    logger[level](repeated === 0 ? fields : { ...fields, repeated }, message);
  };
}

/** Lines of one kind that are written within a window; then they are counted until it is over. */
const BURST = 5;
const WINDOW_MS = 10_000;
/** Kinds that are remembered. */
const MAX_KINDS = 500;

interface Kind {
  since: number;
  written: number;
  /** Counted since the last that was written, and the newest of them. */
  repeated: number;
  newest: LogEntry | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Lets the first lines of a kind through, and then one in ten seconds, with how many there were. Lines are of one kind when their texts are
 * the same; of warnings and errors, when they differ in numbers only.
 */
export class Repeats {
  readonly #write: (entry: LogEntry, repeated: number) => void;
  readonly #kinds = new Map<string, Kind>();

  constructor(write: (entry: LogEntry, repeated: number) => void) {
    this.#write = write;
  }

  push(entry: LogEntry): void {
    const now = performance.now();
    const key = keyOf(entry);
    let kind = this.#kinds.get(key);
    // With a timer it ends by that.
    if (kind && kind.timer === undefined && now - kind.since > WINDOW_MS) kind = undefined;
    if (!kind) {
      if (this.#kinds.size >= MAX_KINDS) this.#forget(now);
      kind = { since: now, written: 0, repeated: 0, newest: undefined, timer: undefined };
      this.#kinds.set(key, kind);
    }
    if (kind.written < BURST) {
      kind.written++;
      this.#write(entry, 0);
      return;
    }
    kind.repeated++;
    kind.newest = entry;
    const left = Math.max(0, kind.since + WINDOW_MS - now);
    kind.timer ??= setTimeout(() => this.#tell(kind), left).unref();
  }

  /** Writes what was counted. */
  flush(): void {
    for (const kind of this.#kinds.values()) this.#tell(kind);
  }

  #tell(kind: Kind): void {
    clearTimeout(kind.timer);
    const { newest, repeated } = kind;
    Object.assign(kind, { since: performance.now(), repeated: 0, newest: undefined, timer: undefined });
    if (newest) this.#write(newest, repeated);
  }

  #forget(now: number): void {
    for (const [key, { since, timer }] of this.#kinds) {
      if (timer === undefined && now - since > WINDOW_MS) this.#kinds.delete(key);
    }
    // All of them are new: the first is as good as any.
    const [oldest] = this.#kinds;
    if (this.#kinds.size < MAX_KINDS || !oldest) return;
    this.#tell(oldest[1]);
    this.#kinds.delete(oldest[0]);
  }
}

function keyOf(entry: LogEntry): string {
  const text = prettyLine(entry, 0);
  const alike = entry.level === 'warn' || entry.level === 'error';
  return `${entry.fields.cameraId ?? ''} ${alike ? text.replace(/\d+/g, '0') : text}`;
}
