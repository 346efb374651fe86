/** The subcommands, and which one is meant. Each is loaded when it is used: together they take half a second. */
import { Command, Option } from 'commander';
import { packageVersion } from '../package.js';
import { EXIT, EXIT_STATUSES } from './exit-status.js';
import { mentionDashes, wrapped } from './help.js';

interface Subcommand {
  readonly text: string;
  /** Declares its arguments and flags, and what it does; `algorithm` are the words behind `--`. */
  load(): Promise<{
    configure(command: Command, algorithm: readonly string[], all: AllCommands): void;
  }>;
}

/** Every subcommand with its arguments and flags. */
export type AllCommands = () => Promise<readonly Command[]>;

export const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  run: {
    text: 'pull frames, put them into shared memory, hand them to an algorithm',
    load: () => import('./commands/run.js'),
  },
  record: {
    text: 'record a camera to a file that Foxglove and Lichtblick open',
    load: () => import('./commands/record.js'),
  },
  ctl: {
    text: 'send a command to a running bridge: by its control socket, or over NATS',
    load: () => import('./commands/ctl.js'),
  },
  watch: {
    text: 'show what is in a shared-memory segment, or comes of a camera at a NATS server: rate, age, drops, sizes',
    load: () => import('./commands/watch.js'),
  },
  mcp: {
    text: 'serve cameras as tools of the Model Context Protocol on stdin and stdout',
    load: () => import('./commands/mcp.js'),
  },
  list: { text: 'cameras found', load: () => import('./commands/list.js') },
  info: {
    text: 'identity, versions, channels, statistics, memory of a camera',
    load: () => import('./commands/info.js'),
  },
  snapshot: { text: 'save one frame', load: () => import('./commands/snapshot.js') },
  exec: {
    text: 'run a script on the camera and follow its output until it ends; Ctrl-C stops it',
    load: () => import('./commands/exec.js'),
  },
  install: {
    text: 'write main.py on the camera, which it runs after power-on without a host; --undo puts back what was there',
    load: () => import('./commands/install.js'),
  },
  reset: {
    text: 'restart the camera, which runs its main.py then, and wait until it answers; or start its bootloader',
    load: () => import('./commands/reset.js'),
  },
  bench: {
    text: 'measure a camera: frames a second, latencies, requests and processor time a frame',
    load: () => import('./commands/bench.js'),
  },
  virtual: {
    text: 'serve a virtual camera on a pseudo-terminal',
    load: () => import('./commands/virtual.js'),
  },
  algo: {
    text: 'examine an algorithm, or run it on files or a recording; needs no camera',
    load: () => import('./commands/algo.js'),
  },
  inspect: {
    text: "show what goes over a camera's line, packet by packet, from a recording or live",
    load: () => import('./commands/inspect.js'),
  },
  export: {
    text: 'the frames of a recording as JPEGs, as a video, or as a table',
    load: () => import('./commands/export.js'),
  },
  annotate: {
    text: 'draw the results of a recording, `run --json` or `algo run --json` onto their images',
    load: () => import('./commands/annotate.js'),
  },
  recover: {
    text: 'finish recordings whose program was killed',
    load: () => import('./commands/recover.js'),
  },
  fleet: {
    text: 'the cameras of a site at a NATS server: state, frames a second, verdicts, versions',
    load: () => import('./commands/fleet.js'),
  },
  mirror: {
    text: "frames of a camera at a NATS server in this machine's shared memory",
    load: () => import('./commands/mirror.js'),
  },
  worker: {
    text: 'run an algorithm for bridges on other machines that call it over NATS (--runner nats:)',
    load: () => import('./commands/worker.js'),
  },
  doctor: {
    text: 'what would keep a run from its work, each with the command that puts it right',
    load: () => import('./commands/doctor.js'),
  },
  completion: {
    text: 'print what completes words in bash, zsh or fish',
    load: () => import('./commands/completion.js'),
  },
  version: {
    text: 'which program this is, and on what it runs',
    load: () => import('./commands/version.js'),
  },
};

/** Headings of help, each at the first subcommand that is under it. */
const HEADINGS: Readonly<Record<string, string>> = {
  run: 'Frames:',
  list: 'Cameras:',
  algo: 'Algorithms:',
  inspect: 'Recordings:',
  fleet: 'Other machines (NATS):',
  doctor: 'This program:',
};

/** Options of the program itself; any other stands for `run`. */
const OWN_OPTIONS = ['--help', '-h', '--version', '-V'];
const HELP_ALL = '--help-all';

/** Runs the command that `words` say; its exit status is in `process.exitCode`. */
export async function runProgram(words: readonly string[]): Promise<void> {
  // Everything behind `--` is the algorithm, whatever it looks like.
  const dashes = words.indexOf('--');
  const given = dashes < 0 ? [...words] : words.slice(0, dashes);
  const algorithm = dashes < 0 ? [] : words.slice(dashes + 1);
  if (given[0] === 'help') {
    const [, topic] = given.splice(0, 2);
    if (topic !== undefined) given.unshift(topic);
    if (topic === undefined || topic in SUBCOMMANDS) given.push('--help');
  }
  if (given[0] === 'ctl' && given[1] === '--completion') given.splice(0, 2, 'completion', 'bash');
  const [first] = given;
  const runs = first === undefined || (first.startsWith('-') && !OWN_OPTIONS.includes(first));
  const own = runs ? ['run', ...given] : given;

  const program = await makeProgram(own[0], algorithm);
  const all = own.includes(HELP_ALL);
  if (all) showAll(program);
  await program.parseAsync(
    own.map((word) => (word === HELP_ALL ? '--help' : word)),
    { from: 'user' },
  );
}

async function allCommands(): Promise<readonly Command[]> {
  const names = Object.keys(SUBCOMMANDS);
  const programs = await Promise.all(names.map((name) => makeProgram(name)));
  return programs.map((program, index) => program.commands.find((one) => one.name() === names[index])!);
}

/** The program with the subcommand `name` ready; of the others only what they are for. */
export async function makeProgram(name?: string, algorithm: readonly string[] = []): Promise<Command> {
  const program = new Command('openmv-bridge')
    .description('Host for OpenMV cameras: frames into shared memory, to your code, and to an algorithm.')
    .version(packageVersion())
    .configureHelp({
      optionTerm: (option) => option.flags.replace(/<(.+)>/, '$1'),
    })
    .exitOverride((error) => {
      // Commander ends with 1 on wrong usage; here that is 2.
      process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage);
    })
    .addHelpText(
      'after',
      ({ command }) => `
Without a subcommand it runs: openmv-bridge --port /dev/ttyACM0
No camera at hand:            openmv-bridge --port virtual
Options of that:              openmv-bridge run --help

Exit status:
${exitStatuses(command)}`,
    );
  for (const [known, { text, load }] of Object.entries(SUBCOMMANDS)) {
    if (HEADINGS[known]) program.commandsGroup(HEADINGS[known]);
    const command = program.command(known).description(text);
    if (known !== name) continue;
    (await load()).configure(command, algorithm, allCommands);
    offerAll(command);
    for (const one of [command, ...command.commands]) mentionDashes(one);
  }
  return program.helpCommand('help [command]', 'help for a command');
}

function exitStatuses(command: Command): string {
  const lines = Object.entries(EXIT_STATUSES).map(
    ([status, text]) => status.padStart(5) + wrapped(command, text, 7).slice(5),
  );
  return lines.join('\n');
}

/** Says how to see the options that help leaves out. */
function offerAll(command: Command): void {
  for (const one of [command, ...command.commands]) {
    if (!one.options.some((option) => option.hidden)) continue;
    one.addOption(new Option(HELP_ALL, 'help with every option').helpGroup('Options:'));
  }
}

function showAll(command: Command): void {
  for (const option of command.options) option.hidden = false;
  for (const one of command.commands) showAll(one);
}
