/** Why an adapter ended, could not be started, or is given up: as errors that say so. */
import { existsSync, readFileSync } from 'node:fs';
import { type Phase, showBytes } from '../adapter/index.js';
import { BridgeError } from '../errors.js';
import type { ChildEnd } from './child-group.js';
import type { Timings } from './options.js';

export interface ExitFacts {
  readonly command: readonly string[];
  readonly end: ChildEnd;
  /** Last lines of its stderr. */
  readonly stderr: readonly string[];
  /** The last error it reported for itself, such as a failed import. */
  readonly reported: string | undefined;
  /** Whether it has said hello. */
  readonly greeted: boolean;
  /** What it wrote to stdout last, if that is no whole message. */
  readonly unfinished: Uint8Array;
  /** Calls that it has answered. */
  readonly answered: number;
  /** The kernel killed processes while it ran, because memory was short. */
  readonly oomKills: boolean;
}

/**
 * Why an adapter ended by itself, and how the error's message goes on:
 * - `import-failed`: a module, a model or a library is missing; it never answered a call;
 * - `out-of-memory`: killed by the kernel, or an allocation failed;
 * - `exception`: an exception that nothing caught;
 * - `signal`: ended from outside, or crashed in native code;
 * - `ended-itself`: exit status 0, as of adapters that could not read a message, or algorithms that end the program;
 * - `exit-status`: another status without a word.
 */
const EXPLANATIONS = {
  'import-failed': ' because something it needs could not be loaded',
  'out-of-memory': ' because memory ran out',
  exception: ' because of an exception',
  signal: '',
  'ended-itself':
    ', as adapters do that cannot read what they are sent, or when the algorithm ends the program',
  'exit-status': '',
} as const;
export type ExitReason = keyof typeof EXPLANATIONS;

const OUT_OF_MEMORY =
  /MemoryError|out of memory|std::bad_alloc|Cannot allocate memory|allocation failed - JavaScript heap/i;
const IMPORT_FAILED =
  /ModuleNotFoundError|ImportError|ERR_MODULE_NOT_FOUND|Cannot find (?:module|package)|No module named|cannot open shared object file/;
const EXCEPTION = /^Traceback \(|^\s+at .+:\d+:\d+\)?$|^[\w.]*(?:Error|Exception)\b/m;
const EXCEPTION_LINE = /^(?:Uncaught )?[\w.]*(?:Error|Exception)\b/;
/** What Node writes below every exception. */
const NODE_VERSION = /^Node\.js v\d/;
/** 128 + SIGKILL, as a shell between us and the adapter reports it. */
const SHELL_KILLED = 137;
/** System errors that mean "this program cannot be run", today and the next time. */
const NOT_RUNNABLE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'ENOTDIR', 'ENOEXEC']);

/** Tells the reasons apart, by how it ended and what it said last. */
export function exitReason({ end, stderr, reported, answered, oomKills }: ExitFacts): ExitReason {
  const said = [...stderr, reported ?? ''].join('\n');
  const killed = end.signal === 'SIGKILL' || end.code === SHELL_KILLED;
  if (OUT_OF_MEMORY.test(said) || (killed && oomKills)) return 'out-of-memory';
  if (end.signal !== null) return 'signal';
  // An error reported for the adapter as a whole, before its first call: it could not be set up.
  if (answered === 0 && (reported !== undefined || IMPORT_FAILED.test(said))) return 'import-failed';
  if (end.code === 0) return 'ended-itself';
  return EXCEPTION.test(said) ? 'exception' : 'exit-status';
}

/** Kills because memory was short since the kernel was started; 0 where it does not tell. */
export function oomKillCount(): number {
  if (process.platform !== 'linux') return 0;
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The line of stderr that says most: the exception's own, wherever its trace stands, or else the last. */
function lastWords(stderr: readonly string[], reason: ExitReason): string | undefined {
  const raised = reason === 'exception' || reason === 'import-failed' || reason === 'out-of-memory';
  const exception = raised ? stderr.findLast((line) => EXCEPTION_LINE.test(line)) : undefined;
  return exception ?? stderr.findLast((line) => !NODE_VERSION.test(line));
}

/** RUNNER_EXITED: why an adapter ended by itself. */
export function exitError(facts: ExitFacts): BridgeError {
  const { command, end, stderr, reported, greeted, unfinished } = facts;
  const reason = exitReason(facts);
  const how = end.signal === null ? `exited with code ${end.code}` : `was ended by ${end.signal}`;
  const why =
    reason === 'ended-itself' && !greeted
      ? ' before it said hello: is the command an algorithm adapter?'
      : `${EXPLANATIONS[reason]}.`;
  const stray =
    greeted || unfinished.length === 0
      ? ''
      : `It wrote to stdout what is no message: ${showBytes(unfinished)}. `;
  const last = reported ?? lastWords(stderr, reason);
  const words = last === undefined ? 'It wrote nothing to stderr.' : `Its last words: ${last}`;
  return new BridgeError('RUNNER_EXITED', `The algorithm adapter ${how}${why} ${stray}${words}`, {
    context: { command, reason, exitCode: end.code, signal: end.signal, reported, stderr },
  });
}

/** Why an adapter could not be started. RUNNER_NOT_FOUND when trying again is no use, else RUNNER_EXITED. */
export function startError(
  cause: NodeJS.ErrnoException,
  command: readonly string[],
  cwd: string | undefined,
): BridgeError {
  const context = { command, cwd, reason: cause.code };
  const fail = (code: 'RUNNER_NOT_FOUND' | 'RUNNER_EXITED', message: string): BridgeError =>
    new BridgeError(code, message, { context, cause });
  if (!NOT_RUNNABLE.has(cause.code)) {
    return fail('RUNNER_EXITED', `The algorithm adapter could not be started: ${cause.message}`);
  }
  if (cause.code === 'ENOENT' && cwd !== undefined && !existsSync(cwd)) {
    return fail(
      'RUNNER_NOT_FOUND',
      `The algorithm's working directory ${cwd} does not exist: give the directory where its manifest.json is.`,
    );
  }
  const problem =
    cause.code === 'ENOENT' ? 'was not found. Install it, or give its full path' : 'may not be executed';
  return fail(
    'RUNNER_NOT_FOUND',
    `The algorithm command ${command[0]} ${problem} (the whole command: ${command.join(' ')}).`,
  );
}

/** Why an idle adapter that does not answer pings is restarted. */
export function silentError(timings: Timings): BridgeError {
  const { heartbeatIntervalMs, heartbeatGraceMs, heartbeatMisses } = timings;
  return new BridgeError(
    'RUNNER_TIMEOUT',
    `The idle algorithm adapter left ${heartbeatMisses} pings unanswered (one every ${heartbeatIntervalMs} ms, ${heartbeatGraceMs} ms to answer); it is restarted.`,
    {
      context: {
        heartbeatIntervalMs,
        heartbeatGraceMs,
        options: [
          'supervision.heartbeatIntervalMs',
          'supervision.heartbeatGraceMs',
          'supervision.heartbeatMisses',
        ],
      },
    },
  );
}

/** The option that limits a call. */
export const limitOption = (phase: Phase): string => (phase === 'pre' ? 'preTimeoutMs' : 'callTimeoutMs');

/** Why an adapter that works on a call is restarted. */
export function callTimeoutError(phase: Phase, limitMs: number, requestId: string): BridgeError {
  const what = phase === 'pre' ? 'pre_execute' : 'execute';
  return new BridgeError(
    'RUNNER_TIMEOUT',
    `The algorithm did not answer ${what} within ${limitMs} ms; its adapter is restarted.`,
    { context: { requestId, phase, limitMs, options: [limitOption(phase)] } },
  );
}

/** Why an adapter is not started any more; `last` is the reason of its last end. */
export function gaveUpError(last: BridgeError, { crashLimit, crashWindowMs }: Timings): BridgeError {
  return new BridgeError(
    'RUNNER_EXITED',
    `The algorithm adapter failed ${crashLimit} times within ${crashWindowMs / 1000} s and is not started again. The last time: ${last.message}`,
    { context: { ...last.context, crashLimit, crashWindowMs }, cause: last },
  );
}

const CLOSED = { reason: 'closed' };

export function closedError(): BridgeError {
  return new BridgeError('RUNNER_EXITED', 'The algorithm runner was closed.', { context: CLOSED });
}

/** Why a call that an adapter works on has no result: it was not waited for. */
export function cutShortError(): BridgeError {
  const message = 'The call was cut short: the algorithm runner was closed.';
  return new BridgeError('RUNNER_EXITED', message, { context: CLOSED });
}
