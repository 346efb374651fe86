import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect } from 'vitest';
import { BridgeError, type ErrorCode } from '../../../src/errors.js';
import { needs, needsOf } from '../../support/needs.js';

const PREFIX = `openmv_test_${process.pid}_`;
let names = 0;

/** A segment name that no other test uses. */
export function uniqueName(): string {
  return `/${PREFIX}${names++}`;
}

export function pathOf(name: string): string {
  return `/dev/shm${name}`;
}

export function leftovers(): string[] {
  return readdirSync('/dev/shm').filter((name) => name.includes(PREFIX));
}

export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

const children = new Set<Child>();
const directories: string[] = [];

/** A directory of this test file's own, removed at its end. */
export function temporaryDirectory(base = tmpdir()): string {
  const made = mkdtempSync(join(base, `${PREFIX}dir-`));
  directories.push(made);
  return made;
}

/** A real process that talks in lines. */
export class Child {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly pid: number;
  readonly exited: Promise<number | null>;
  #lines: AsyncIterator<string>;
  #errors = '';

  constructor(command: string, args: readonly string[]) {
    needsOf([command]);
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.process.pid!;
    this.process.stdin.on('error', () => {});
    this.process.stderr.on('data', (chunk) => {
      this.#errors += String(chunk);
    });
    this.exited = new Promise((done) => this.process.once('close', (code) => done(code)));
    this.#lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    children.add(this);
  }

  async line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error(`The child ended without another line: ${this.#errors}`);
    return next.value;
  }

  async json<T>(): Promise<T> {
    return JSON.parse(await this.line()) as T;
  }

  say(text: string): void {
    this.process.stdin.write(`${text}\n`);
  }

  async kill(): Promise<void> {
    children.delete(this);
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

export function startNode(script: string, ...args: string[]): Child {
  return new Child(process.execPath, [fixture(script), ...args]);
}

const programs = new Map<string, string>();

/** Compiles a C++ program, once per test file. */
function compiled(path: string, ...flags: string[]): string {
  needs('g++');
  const known = programs.get(path);
  if (known !== undefined) return known;
  const program = join(temporaryDirectory(), basename(path, '.cpp'));
  execFileSync('g++', ['-std=c++17', '-O2', '-Wall', '-Werror', ...flags, path, '-o', program, '-lrt']);
  programs.set(path, program);
  return program;
}

/** Compiles a C++ fixture. */
export const compile = (source: string): string => compiled(fixture(source));

/** The folder of the readers for other languages. */
export const READERS = fileURLToPath(new URL('../../../tools/readers/', import.meta.url));

/** Compiles a C++ program that uses the reader of `tools/readers`. */
export function compileReader(source: string): string {
  const path = source === 'example.cpp' ? join(READERS, source) : fixture(source);
  return compiled(path, '-Wextra', '-Wconversion', '-I', READERS);
}

/** How this machine lets us have mounts of our own; undefined when it does not. */
export const unshare: readonly string[] | undefined = [['-m'], ['-r', '-m']].find(
  (args) => spawnSync('unshare', [...args, 'sh', '-c', 'mount -t tmpfs tmpfs /dev/shm']).status === 0,
);

export const isRoot = process.geteuid?.() === 0;

export function failure(act: () => unknown): BridgeError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(BridgeError);
    return error as BridgeError;
  }
  throw new Error('It did not fail.');
}

export function expectFailure(code: ErrorCode, act: () => unknown): BridgeError {
  const error = failure(act);
  expect(error.code).toBe(code);
  return error;
}

afterEach(async () => {
  for (const child of [...children]) await child.kill();
});

const ends: (() => unknown)[] = [];

/** Does something when the test is over, the last first, and before its children are killed. */
export function atEnd(end: () => unknown): void {
  ends.push(end);
}

/** What a test has opened, closed when it is over. */
export function closing<T extends { close(): unknown }>(what: T): T {
  atEnd(() => what.close());
  return what;
}

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

afterAll(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  expect(leftovers()).toEqual([]);
});
