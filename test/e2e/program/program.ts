/** Runs the command line as a user does, and reads what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { needsOf } from '../../support/needs.js';

export const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export interface JsonLine {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
  readonly [field: string]: any;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running command. */
export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly lines: JsonLine[] = [];
  stdout = '';
  stderr = '';
  #waiters: { test: (line: JsonLine) => boolean; resolve: (line: JsonLine) => void }[] = [];

  constructor(
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv; detached?: boolean } = {},
  ) {
    needsOf(args);
    this.child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let rest = '';
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      const pieces = (rest + text).split('\n');
      rest = pieces.pop() ?? '';
      for (const piece of pieces) this.#take(piece);
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (status, signal) => {
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  of(type: string): JsonLine[] {
    return this.lines.filter((line) => line.type === type);
  }

  /** The first JSON line, past or future, that passes; fails when the program ends without one. */
  async line(test: (line: JsonLine) => boolean): Promise<JsonLine> {
    const found = this.lines.find(test);
    if (found) return found;
    return Promise.race([
      new Promise<JsonLine>((resolve) => this.#waiters.push({ test, resolve })),
      this.ended.then(({ status, stderr }) => {
        throw new Error(`The program ended with ${status} before it said that. It said:\n${stderr}`);
      }),
    ]);
  }

  #take(text: string): void {
    if (!text.startsWith('{')) return;
    const line = JSON.parse(text) as JsonLine;
    this.lines.push(line);
    this.#waiters = this.#waiters.filter(({ test, resolve }) => {
      if (!test(line)) return true;
      resolve(line);
      return false;
    });
  }
}

/** Runs a command to its end. */
export function run(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  return new Program(args, options).ended;
}
