/**
 * A child process in a process group of its own, so that a signal reaches all that it started. No group outlives this
 * program's orderly end. When this program is killed, children see the end of their stdin; one that hangs is found by
 * the next bridge (`leftovers.ts`).
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { pause } from '../async.js';
import { HAS_GROUPS, recordAdapter, signalGroup } from './leftovers.js';

/** Interval of looks at a group that is being ended. */
const POLL_MS = 10;
/** What a gone process's pipes get to run dry: another process may hold their other ends. */
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
  stdout(chunk: Buffer): void;
  stderr(chunk: Buffer): void;
  /** The child's end of a pipe is closed while the child may still be running. */
  pipeBroken(which: 'stdin' | 'stdout'): void;
  /** The whole group is gone and its output was delivered. Comes once and last. */
  end(end: ChildEnd): void;
}

/** The leaders of the groups that run, and what removes the record of each. */
const live = new Map<number, () => void>();

function killAll(): void {
  for (const [pid, removeRecord] of live) {
    signalGroup(pid, 'SIGKILL');
    removeRecord();
  }
}

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

  /** SIGTERM to the group, and SIGKILL when it has not ended in time. False: it is gone, or this was done before. */
  terminate(): boolean {
    const { pid } = this;
    if (pid === undefined || this.#gone || this.#killTimer !== undefined) return false;
    signalGroup(pid, 'SIGTERM');
    this.#killTimer = setTimeout(() => signalGroup(pid, 'SIGKILL'), this.#options.killMs);
    return true;
  }

  #start(): void {
    const { command, cwd, env } = this.#options;
    const [program, ...args] = command;
    const child = spawn(program!, args, {
      cwd,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: HAS_GROUPS,
      windowsHide: true,
    });
    const { pid } = child;
    child.once('error', (spawnError) => {
      if (pid === undefined) this.#handlers.end({ code: null, signal: null, spawnError });
    });
    // Not started: how much of the child object there is depends on the reason.
    if (pid === undefined) return;
    this.#child = child;
    if (live.size === 0) process.on('exit', killAll);
    live.set(pid, recordAdapter(pid, command));
    const broken = (which: 'stdin' | 'stdout') => (): void => {
      if (!this.#gone) this.#handlers.pipeBroken(which);
    };
    // EPIPE and its like: the other end is gone. Without a listener the event would end this program.
    child.stdin.on('error', broken('stdin'));
    child.stdout.on('error', broken('stdout'));
    child.stderr.on('error', () => undefined);
    child.stdout.on('data', (chunk: Buffer) => this.#handlers.stdout(chunk));
    child.stdout.once('end', broken('stdout'));
    child.stderr.on('data', (chunk: Buffer) => this.#handlers.stderr(chunk));
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.once('exit', (code, signal) => {
      this.#gone = true;
      clearTimeout(this.#killTimer);
      void this.#windUp(pid, closed).then(() => this.#handlers.end({ code, signal }));
    });
  }

  /** The leader is gone: ends what it left behind, and lets the pipes run dry. */
  async #windUp(pid: number, closed: Promise<void>): Promise<void> {
    // The id of a group stays taken while a process is left in it.
    const survives = (): boolean => HAS_GROUPS && signalGroup(pid, 0);
    if (survives()) {
      signalGroup(pid, 'SIGTERM');
      for (let waited = 0; waited < this.#options.orphanMs && survives(); waited += POLL_MS) {
        await pause(POLL_MS);
      }
      if (survives()) signalGroup(pid, 'SIGKILL');
    }
    live.get(pid)?.();
    live.delete(pid);
    if (live.size === 0) process.off('exit', killAll);
    const cutOff = setTimeout(() => {
      this.#child?.stdout.destroy();
      this.#child?.stderr.destroy();
    }, DRAIN_MS);
    await closed;
    clearTimeout(cutOff);
  }
}
