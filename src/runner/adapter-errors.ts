import { existsSync } from 'node:fs';
import { showBytes } from '../adapter/framing.js';
import { BridgeError } from '../errors.js';
import { type ExitFacts, type ExitReason, exitReason } from './exit-reason.js';
import type { Timings } from './options.js';

/** System errors that mean "this program cannot be run", today and the next time. */
const NOT_RUNNABLE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'ENOTDIR', 'ENOEXEC']);

/** Why an adapter could not be started. RUNNER_NOT_FOUND when trying again is no use, else RUNNER_EXITED. */
export function startError(
  cause: NodeJS.ErrnoException,
  command: readonly string[],
  cwd: string | undefined,
): BridgeError {
  const context = { command, cwd, reason: cause.code };
  if (cause.code === 'ENOENT' && cwd !== undefined && !existsSync(cwd)) {
    return new BridgeError(
      'RUNNER_NOT_FOUND',
      `The algorithm's working directory ${cwd} does not exist: give the directory where its manifest.json is.`,
      { context, cause },
    );
  }
  if (!NOT_RUNNABLE.has(cause.code)) {
    return new BridgeError('RUNNER_EXITED', `The algorithm adapter could not be started: ${cause.message}`, {
      context,
      cause,
    });
  }
  const problem =
    cause.code === 'ENOENT' ? 'was not found. Install it, or give its full path' : 'may not be executed';
  return new BridgeError(
    'RUNNER_NOT_FOUND',
    `The algorithm command ${command[0]} ${problem} (the whole command: ${command.join(' ')}).`,
    { context, cause },
  );
}

const EXPLANATIONS: Readonly<Record<ExitReason, string>> = {
  'import-failed': ' because something it needs could not be loaded',
  'out-of-memory': ' for want of memory',
  exception: ' because of an exception',
  signal: '',
  'ended-itself':
    ', as adapters do that cannot read what they are sent, or when the algorithm ends the program',
  'exit-status': '',
};

const EXCEPTION_LINE = /^(?:Uncaught )?[\w.]*(?:Error|Exception)\b/;
/** What Node writes below every exception. */
const NODE_VERSION = /^Node\.js v\d/;

/** The line of stderr that says most: the exception's own, wherever its trace stands, or else the last. */
function lastWords(stderr: readonly string[], reason: ExitReason): string | undefined {
  const raised = reason === 'exception' || reason === 'import-failed' || reason === 'out-of-memory';
  const exception = raised ? stderr.findLast((line) => EXCEPTION_LINE.test(line)) : undefined;
  return exception ?? stderr.findLast((line) => !NODE_VERSION.test(line));
}

/** Why an adapter ended that nobody had told to. */
export function exitError(facts: ExitFacts): BridgeError {
  const { command, end, stderr, reported } = facts;
  const reason = exitReason(facts);
  const how = end.signal === null ? `exited with code ${end.code}` : `was ended by ${end.signal}`;
  const last = reported ?? lastWords(stderr, reason);
  const words = last === undefined ? 'It wrote nothing to stderr.' : `Its last words: ${last}`;
  const stray =
    facts.greeted || facts.unfinished.length === 0
      ? ''
      : `It wrote to stdout what is no message: ${showBytes(facts.unfinished)}. `;
  const why =
    reason === 'ended-itself' && !facts.greeted
      ? ' before it said hello: is the command an algorithm adapter?'
      : `${EXPLANATIONS[reason]}.`;
  return new BridgeError('RUNNER_EXITED', `The algorithm adapter ${how}${why} ${stray}${words}`, {
    context: { command, reason, exitCode: end.code, signal: end.signal, reported, stderr },
  });
}

/** Why an idle adapter that does not answer pings is restarted. */
export function silentError({
  heartbeatIntervalMs,
  heartbeatGraceMs,
  heartbeatMisses,
}: Timings): BridgeError {
  return new BridgeError(
    'RUNNER_TIMEOUT',
    `The idle algorithm adapter left ${heartbeatMisses} pings unanswered (one every ${heartbeatIntervalMs} ms, ${heartbeatGraceMs} ms to answer); it is restarted.`,
    { context: { heartbeatIntervalMs, heartbeatGraceMs } },
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

export function closedError(): BridgeError {
  return new BridgeError('RUNNER_EXITED', 'The algorithm runner was closed.');
}
