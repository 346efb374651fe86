#!/usr/bin/env node
/** The command `openmv-bridge`: listens for the end first, and then loads the program, which takes a moment. */
import { readFileSync } from 'node:fs';
import { LEAST_FILES, tooManyFiles } from '../errors.js';
import { EXIT } from './exit-status.js';
import { flushOutput, hurryAsked, outputFailed, stopAsked, watchStops } from './stop-signals.js';

/** Node takes a module that it has no descriptor for as one that is not there. */
function fewFiles(error: unknown): string | undefined {
  if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ERR_MODULE_NOT_FOUND')
    return tooManyFiles(error);
  try {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(limit) < LEAST_FILES ? tooManyFiles({ code: 'EMFILE' }) : undefined;
  } catch (cause) {
    return tooManyFiles(cause);
  }
}

const words = process.argv.slice(2);
watchStops(words);

// An error that no handler expects: the exit hooks take away what is in shared memory and the
// algorithm's processes, and the camera is free for the next host.
for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(kind, (error: unknown) => {
    const few = fewFiles(error);
    if (few !== undefined) {
      process.stderr.write(`error: ${few} [FILE_FAILED]\n`);
      process.exit(EXIT.storage);
    }
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`error: a defect in openmv-bridge, please report it: ${text}\n`);
    process.exit(EXIT.defect);
  });
}

if (words.length === 1 && ['--version', '-V'].includes(words[0]!)) {
  const { packageVersion } = await import('../package.js');
  process.stdout.write(`${packageVersion()}\n`);
} else {
  const { runProgram } = await import('./program.js');
  await runProgram(words);
}
if (outputFailed()) process.exitCode = EXIT.storage;
if (hurryAsked()) process.exitCode = EXIT.impatient;
// A reader that has stalled must not hold up the end that was asked for. Otherwise the process ends when all is read.
if (stopAsked()) {
  await flushOutput();
  process.exit();
}
