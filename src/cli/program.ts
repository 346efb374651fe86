/** The subcommands, and which one is meant. */
import { Command } from 'commander';
import { packageVersion } from '../package.js';
import { addAlgoCommand } from './commands/algo.js';
import { addAnnotateCommand } from './commands/annotate.js';
import { addCtlCommand } from './commands/ctl.js';
import { addExecCommand } from './commands/exec.js';
import { addInfoCommand } from './commands/info.js';
import { addListCommand } from './commands/list.js';
import { addRunCommand } from './commands/run.js';
import { addSnapshotCommand } from './commands/snapshot.js';
import { addVirtualCommand } from './commands/virtual.js';
import { addWatchCommand } from './commands/watch.js';
import { EXIT } from './exit-status.js';

/** Options of the program itself; any other stands for `run`. */
const OWN_OPTIONS = ['--help', '-h', '--version', '-V'];

/** Runs the command that `words` say; its exit status is in `process.exitCode`. */
export async function runProgram(words: readonly string[]): Promise<void> {
  // Everything behind `--` is the algorithm, whatever it looks like.
  const dashes = words.indexOf('--');
  const own = dashes < 0 ? words : words.slice(0, dashes);
  const algorithm = dashes < 0 ? [] : words.slice(dashes + 1);

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

  const [first] = own;
  const runs = first === undefined || (first.startsWith('-') && !OWN_OPTIONS.includes(first));
  await program.parseAsync(runs ? ['run', ...own] : [...own], { from: 'user' });
}
