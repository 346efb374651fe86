/**
 * What ends the program from outside: SIGINT, SIGTERM, SIGHUP, a reader of our output that has gone, a disk that takes
 * no more of it. Imports nothing that takes time to load: it listens before anything else is there.
 */
import { EXIT } from './exit-status.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** How long the last words wait for a reader once the end was asked for. */
const FLUSH_MS = 300;

/** What the command that runs does when it is to stop; undefined: none does anything that needs an end of its own. */
let stop: (() => void) | undefined;
let asked = false;
let failed = false;

function wish(): void {
  if (asked) process.exit(EXIT.impatient);
  asked = true;
  if (stop) stop();
  else process.exit(process.exitCode ?? EXIT.done);
}

function outputBroke(error: NodeJS.ErrnoException): void {
  // `| head -1` has read enough; nothing more can be said on that stream.
  if (error.code !== 'EPIPE' && !failed && !asked) {
    failed = true;
    process.exitCode = EXIT.storage;
    const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
    const reason = full ? 'the disk is full. Free some space' : `${error.message}. Mend that`;
    process.stderr.write(
      `error: The output cannot be written: ${reason} or send it elsewhere. [FILE_FAILED]\n`,
    );
  }
  if (!asked) wish();
}

/** Listens from now on, for as long as the process lives. */
export function watchStops(): void {
  for (const signal of SIGNALS) process.on(signal, wish);
  // Without a listener the one would open a debugger's port, and the other end the process.
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  process.stdout.on('error', outputBroke);
  // What people are told there is not worth the run.
  process.stderr.on('error', () => undefined);
}

/**
 * Calls `stop` at the first wish instead of ending at once; a second wish ends the process without waiting (what is in
 * shared memory is removed even then). Returns how to stop listening.
 */
export function onStop(action: () => void): () => void {
  stop = action;
  return () => {
    if (stop === action) stop = undefined;
  };
}

/** Whether the end was asked for. */
export function stopAsked(): boolean {
  return asked;
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
