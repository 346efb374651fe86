import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { forgetGroup, groupSurvives, signalGroup, watchGroup } from './process-group.js';

/** How often a group that is being ended is looked at. */
const POLL_MS = 10;
/** What a gone process's pipes get to run dry before they are cut off: somebody else may hold their other ends. */
const DRAIN_MS = 200;

export interface ChildGroupOptions {
  readonly command: readonly string[];
  readonly cwd: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** From SIGTERM to SIGKILL. */
  readonly killMs: number;
  /** From SIGTERM to SIGKILL for what the child left behind. */
  readonly orphanMs: number;
}

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Set when the child never ran. */
  readonly spawnError?: NodeJS.ErrnoException;
}

export interface ChildHandlers {
  /** Chunks are valid during the call only. */
  stdout(chunk: Uint8Array): void;
  stderr(chunk: Uint8Array): void;
  /** The child's end of a pipe is closed while the child may still be running. */
  pipeBroken(which: 'stdin' | 'stdout'): void;
  /** The whole group is gone and its output was delivered. Comes once and last. */
  end(end: ChildEnd): void;
}

/** A child process with its own process group, which ends as a whole. */
export class ChildGroup {
  readonly #options: ChildGroupOptions;
  readonly #handlers: ChildHandlers;
  #child: ChildProcessByStdio<Writable, Readable, Readable> | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #gone = false;

  constructor(options: ChildGroupOptions, handlers: ChildHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    try {
      this.#start();
    } catch (error) {
      // Never from inside the constructor: the owner does not have this object yet.
      setImmediate(() => handlers.end({ code: null, signal: null, spawnError: error as Error }));
    }
  }

  /** Process id of the child and id of its group; undefined when it never ran. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Bytes for the child's stdin; dropped when it is closed, which the child's end will explain. */
  write(bytes: Uint8Array): void {
    if (this.#child?.stdin.writable === true) this.#child.stdin.write(bytes);
  }

  endInput(): void {
    this.#child?.stdin.end();
  }

  /** SIGTERM to the group, and SIGKILL when it has not ended in time. */
  terminate(): void {
    const pid = this.pid;
    if (pid === undefined || this.#gone || this.#killTimer !== undefined) return;
    signalGroup(pid, 'SIGTERM');
    this.#killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), this.#options.killMs);
  }

  #start(): void {
    const [program, ...args] = this.#options.command;
    const child = spawn(program!, args, {
      cwd: this.#options.cwd,
      env: this.#options.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    const pid = child.pid;
    child.once('error', (spawnError) => {
      if (pid === undefined) this.#handlers.end({ code: null, signal: null, spawnError });
    });
    // Not started: how much of the child object there is depends on the reason.
    if (pid === undefined) return;
    this.#child = child;
    watchGroup(pid, this.#options.command);
    // EPIPE and its like: the other end is gone. Unheard, the event would end this program.
    child.stdin.on('error', () => this.#pipeBroken('stdin'));
    child.stdout.on('error', () => this.#pipeBroken('stdout'));
    child.stderr.on('error', () => undefined);
    child.stdout.on('data', (chunk: Buffer) => this.#handlers.stdout(chunk));
    child.stdout.once('end', () => this.#pipeBroken('stdout'));
    child.stderr.on('data', (chunk: Buffer) => this.#handlers.stderr(chunk));
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.once('exit', (code, signal) => {
      this.#gone = true;
      clearTimeout(this.#killTimer);
      void this.#windUp(pid, closed).then(() => this.#handlers.end({ code, signal }));
    });
  }

  #pipeBroken(which: 'stdin' | 'stdout'): void {
    if (!this.#gone) this.#handlers.pipeBroken(which);
  }

  /** The leader is gone: ends what it left behind, and lets the pipes run dry. */
  async #windUp(pid: number, closed: Promise<void>): Promise<void> {
    if (groupSurvives(pid)) {
      signalGroup(pid, 'SIGTERM');
      for (let waited = 0; waited < this.#options.orphanMs && groupSurvives(pid); waited += POLL_MS) {
        await sleep(POLL_MS);
      }
      if (groupSurvives(pid)) signalGroup(pid, 'SIGKILL');
    }
    forgetGroup(pid);
    const cutOff = setTimeout(() => {
      this.#child?.stdout.destroy();
      this.#child?.stderr.destroy();
    }, DRAIN_MS);
    await closed;
    clearTimeout(cutOff);
  }
}
