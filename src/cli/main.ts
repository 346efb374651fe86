#!/usr/bin/env node
/** The command `openmv-bridge`: listens for the end first, and then loads the program, which takes a moment. */
import { EXIT } from './exit-status.js';
import { flushOutput, hurryAsked, outputFailed, stopAsked, watchStops } from './stop-signals.js';

const words = process.argv.slice(2);
watchStops(words);

// An error that no handler expects: the exit hooks take away what is in shared memory and the
// algorithm's processes, and the camera is free for the next host.
for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(kind, (error: unknown) => {
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
