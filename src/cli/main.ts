#!/usr/bin/env node
/** The command `openmv-bridge`. */
import { Command } from 'commander';
import { packageVersion } from '../package.js';
import { addAlgoCommand } from './algo.js';
import { addAnnotateCommand } from './annotate.js';
import { addCtlCommand } from './ctl.js';
import { addExecCommand } from './exec.js';
import { EXIT } from './exit-status.js';
import { addInfoCommand } from './info.js';
import { addListCommand } from './list.js';
import { addRunCommand } from './run.js';
import { addSnapshotCommand } from './snapshot.js';
import { addVirtualCommand } from './virtual.js';
import { addWatchCommand } from './watch.js';

/** Everything behind `--` is the algorithm, whatever it looks like. */
const words = process.argv.slice(2);
const dashes = words.indexOf('--');
const own = dashes < 0 ? words : words.slice(0, dashes);
const algorithm = dashes < 0 ? [] : words.slice(dashes + 1);

// Whatever goes wrong in a way nobody thought of: the exit hooks take away what is in shared memory and the
// algorithm's processes, and the camera is free for the next host.
for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(kind, (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`error: a defect in openmv-bridge, please report it: ${text}\n`);
    process.exit(EXIT.defect);
  });
}

const program = new Command('openmv-bridge')
  .description('Host for OpenMV cameras: frames into shared memory, to your code, and to an algorithm.')
  .version(packageVersion())
  .configureHelp({ showGlobalOptions: true })
  .exitOverride((error) => {
    // Commander ends with 1 on wrong usage; here that is 2.
    process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage);
  })
  .addHelpText(
    'after',
    `
Without a subcommand it runs: openmv-bridge --port /dev/ttyACM0
No camera at hand:            openmv-bridge --port virtual
All options of that:          openmv-bridge run --help

Exit status: 0 done or stopped by the user, 2 wrong usage, 3 no usable port, 4 camera failed, 5 algorithm failed,
70 a defect in this program.`,
  );
addRunCommand(program, algorithm);
addAlgoCommand(program, algorithm);
addAnnotateCommand(program);
addListCommand(program);
addInfoCommand(program);
addSnapshotCommand(program);
addExecCommand(program);
addCtlCommand(program);
addVirtualCommand(program);
addWatchCommand(program);

await program.parseAsync(own, { from: 'user' });
