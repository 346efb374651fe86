/**
 * What ends the program from outside: SIGINT, SIGTERM, SIGHUP, a reader of our output that has gone, a disk that takes
 * no more of it. Imports nothing that takes time to load: it listens before anything else is there.
 */
import { EXIT } from './exit-status.js';

/** How long the last words wait for a reader once the end was asked for. */
const FLUSH_MS = 300;
/** An end that takes no longer is not worth a word. */
const NOTE_MS = 500;

/** What the command that runs does when it is to stop, and when it is to stop at once; undefined: nothing of its own. */
let stop: (() => void) | undefined;
let hurry: (() => void) | undefined;
/** What SIGHUP means while the command can read its configuration again. */
let reload: (() => void) | undefined;
/** There is a configuration file: SIGHUP has it read, and is no wish to end. */
let reloadable = false;
/** It came while nothing could read the file again. */
let reloadAsked = false;
let asked = 0;
let failed = false;

function wish(): void {
  asked++;
  if (asked === 1) {
    if (stop) stop();
    else process.exit(process.exitCode ?? EXIT.done);
  } else if (asked === 2 && hurry) hurry();
  else process.exit(EXIT.impatient);
}

function outputBroke(error: NodeJS.ErrnoException): void {
  // `| head -1` has read enough; nothing more can be said on that stream.
  if (error.code !== 'EPIPE' && !failed && asked === 0) {
    failed = true;
    process.exitCode = EXIT.storage;
    const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
    const reason = full ? 'the disk is full. Free some space' : `${error.message}. Mend that`;
    process.stderr.write(
      `error: The output cannot be written: ${reason} or send it elsewhere. [FILE_FAILED]\n`,
    );
  }
  if (asked === 0) wish();
}

function hangUp(): void {
  if (!reloadable || asked > 0) wish();
  else if (reload) reload();
  else reloadAsked = true;
}

/** Listens from now on, for as long as the process lives. `words`: the command line. */
export function watchStops(words: readonly string[]): void {
  const dashes = words.indexOf('--');
  const own = dashes < 0 ? words : words.slice(0, dashes);
  reloadable = own.some((word) => word === '--config' || word.startsWith('--config='));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, wish);
  process.on('SIGHUP', hangUp);
  // Without a listener the one would open a debugger's port, and the other end the process.
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  process.stdout.on('error', outputBroke);
  // What people are told there is not worth the run.
  process.stderr.on('error', () => undefined);
}

/**
 * Calls `action` at the first wish instead of ending at once, and `atOnce` at the second one. Without `atOnce`, and at the
 * third wish, the process ends without waiting (what is in shared memory is removed even then). Returns how to stop
 * listening.
 */
export function onStop(action: () => void, atOnce?: () => void): () => void {
  stop = action;
  hurry = atOnce;
  return () => {
    if (stop !== action) return;
    stop = undefined;
    hurry = undefined;
  };
}

/**
 * With `--config` on the command line: calls `action` at each SIGHUP, and at once for those that came before. undefined: a
 * SIGHUP waits for the next action. Without `--config` SIGHUP ends the program.
 */
export function onReload(action: (() => void) | undefined): void {
  reload = action;
  if (!action || !reloadAsked) return;
  reloadAsked = false;
  action();
}

/** Waits for an end in order; while that takes, it is said how to do without. */
export async function untilStopped(
  stopped: Promise<unknown>,
  output: { log(level: 'info', text: string): void },
): Promise<void> {
  const note = setTimeout(() => {
    output.log('info', 'stopping; interrupt once more to end without waiting');
  }, NOTE_MS);
  await Promise.allSettled([stopped]);
  clearTimeout(note);
}

/** Whether the end was asked for. */
export function stopAsked(): boolean {
  return asked > 0;
}

/** Whether it was asked for again. */
export function hurryAsked(): boolean {
  return asked > 1;
}

/** Whether the output could not be written, which has been told. */
export function outputFailed(): boolean {
  return failed;
}

/** Waits until all output has been taken, or no reader takes it. */
export async function flushOutput(): Promise<void> {
  const streams = [process.stdout, process.stderr].filter((stream) => stream.writableLength > 0);
  const taken = streams.map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve())));
  await Promise.race([Promise.all(taken), new Promise((resolve) => setTimeout(resolve, FLUSH_MS))]);
}
