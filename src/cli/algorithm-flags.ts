/** The options of a command that runs an algorithm, and what they come to. */
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AlgorithmInput } from '../bridge/algorithm-options.js';
import { BridgeError } from '../errors.js';
import { DELIVERY_POLICIES, DIALECTS, RESULT_ORDERS } from '../runner/index.js';
import { wholeNumber } from './arguments.js';
import { defined } from './camera-options.js';

const MAX_TIMER_MS = 2_147_483_647;

export interface AlgorithmFlags {
  imageDir?: string;
  runner?: string;
  algoCwd?: string;
  entryPoint?: string;
  strictStdio: boolean;
  algoLogLevel?: AlgorithmInput['algorithmLogLevel'];
  dialect?: AlgorithmInput['dialect'];
  callTimeout?: number;
  preTimeout?: number;
  startupTimeout?: number;
  crashLimit?: number;
  killTimeout?: number;
  workers?: number;
  delivery?: AlgorithmInput['delivery'];
  results?: AlgorithmInput['results'];
  pid?: string;
  stepIndex?: number;
  stepDesc?: string;
  guideInfo?: unknown;
  userParams?: unknown;
  sessionId?: string;
  productCode?: string;
  traceId?: string;
  reference?: string;
  saveAnnotated?: string;
}

/** JSON as it stands, or from a file behind an @. */
export function jsonArgument(text: string): unknown {
  let source = text;
  if (text.startsWith('@')) {
    try {
      source = readFileSync(text.slice(1), 'utf8');
    } catch (cause) {
      throw new InvalidArgumentError(`The file ${text.slice(1)} cannot be read: ${String(cause)}.`);
    }
  }
  try {
    return JSON.parse(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidArgumentError(`JSON, or @FILE with JSON in it, is needed: ${reason}.`);
  }
}

const HEADING = 'Algorithm:';

/** Adds what says how an adapter is started and called. */
export function addCallOptions(command: Command): Command {
  return command
    .optionsGroup(HEADING)
    .option('--image-dir <dir>', 'image files for the algorithm (default: a private one under /dev/shm)')
    .option('--runner <command>', 'the algorithm, or give it behind --')
    .option('--algo-cwd <dir>', "the algorithm's working directory, where its manifest.json is")
    .option('--entry-point <module:class>', 'what the adapter loads (PROC_ENTRY_POINT)')
    .option('--no-strict-stdio', 'let SDK adapters send stray prints to stderr instead of failing the call')
    .addOption(
      new Option('--algo-log-level <level>', 'what the algorithm logs (default: info)').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
    .addOption(new Option('--dialect <name>', 'how it is called (default: auto)').choices([...DIALECTS]))
    .option('--call-timeout <ms>', 'longest call (default: 30000)', wholeNumber(1, MAX_TIMER_MS))
    .option(
      '--pre-timeout <ms>',
      'longest first call of a session, pre_execute (default: 10000)',
      wholeNumber(1, MAX_TIMER_MS),
    )
    .option(
      '--startup-timeout <ms>',
      "longest wait for the adapter's hello (default: 10000)",
      wholeNumber(1, MAX_TIMER_MS),
    )
    .option(
      '--kill-timeout <ms>',
      'from SIGTERM to SIGKILL when it is ended (default: 3000)',
      wholeNumber(1, MAX_TIMER_MS),
    )
    .option('--pid <id>', 'product id of every call')
    .option('--step-index <n>', 'step of every call, from 1', wholeNumber(1, 1_000_000))
    .option('--step-desc <text>', 'description of the step')
    .option('--guide-info <json>', 'where the parts are expected: JSON, or @FILE', jsonArgument)
    .option('--user-params <json>', "the algorithm's own parameters: JSON, or @FILE", jsonArgument)
    .option('--session-id <id>', 'name of the session (default: a new UUID)')
    .option('--product-code <code>', "product code in the session's context")
    .option('--trace-id <id>', "trace id in the session's context (default: a new UUID)");
}

/** Adds what concerns many pictures. */
export function addResultOptions(command: Command): Command {
  return command
    .optionsGroup(HEADING)
    .option(
      '--crash-limit <n>',
      'crashes within a minute after which it is not started again (default: 5)',
      wholeNumber(1, 10_000),
    )
    .option('--workers <n>', 'adapters that work at the same time (default: 1)', wholeNumber(1, 32))
    .addOption(
      new Option(
        '--results <order>',
        'of several workers: in frame order, or as they come (default: ordered)',
      ).choices([...RESULT_ORDERS]),
    )
    .option('--reference <file>', "the step's reference picture: a file, or previous-ok")
    .option('--save-annotated <dir>', 'write every frame with a result, its verdict and rectangles drawn');
}

export function addDeliveryOption(command: Command): Command {
  return command
    .optionsGroup(HEADING)
    .addOption(
      new Option('--delivery <policy>', 'frames for a busy algorithm (default: latest)').choices([
        ...DELIVERY_POLICIES,
      ]),
    );
}

/** Throws OPTION_INVALID naming those of the flags that say something about an algorithm: there is none. */
export function refuseAlgorithmFlags(flags: AlgorithmFlags): void {
  const given = flags as unknown as Readonly<Record<string, unknown>>;
  const idle = addDeliveryOption(addResultOptions(addCallOptions(new Command())))
    .options.filter((option) => {
      const value = given[option.attributeName()];
      // `--no-...` is true when it is not given.
      return option.negate ? value === false : value !== undefined;
    })
    .map(({ long }) => long!)
    .sort();
  const last = idle.pop();
  if (last === undefined) return;
  const who = idle.length === 0 ? `${last} has` : `${idle.join(', ')} and ${last} have`;
  throw new BridgeError(
    'OPTION_INVALID',
    `${who} no effect without an algorithm. Give its command with --runner or behind --, as in: -- python3 algorithm.py`,
  );
}

/** Options of the library from the flags; `words`: what stood behind `--`. */
export function algorithmInput(flags: AlgorithmFlags, words: readonly string[]): AlgorithmInput {
  if (words.length > 0 && flags.runner !== undefined) {
    throw new BridgeError('OPTION_INVALID', 'Give the algorithm with --runner or behind --, not both.');
  }
  return defined<AlgorithmInput>({
    imageDir: flags.imageDir,
    runner: words.length > 0 ? [...words] : flags.runner,
    runnerCwd: flags.algoCwd,
    entryPoint: flags.entryPoint,
    strictStdio: flags.strictStdio ? undefined : false,
    algorithmLogLevel: flags.algoLogLevel,
    dialect: flags.dialect,
    callTimeoutMs: flags.callTimeout,
    preTimeoutMs: flags.preTimeout,
    startupTimeoutMs: flags.startupTimeout,
    supervision: defined({ crashLimit: flags.crashLimit, killMs: flags.killTimeout }),
    workers: flags.workers,
    delivery: flags.delivery,
    results: flags.results,
    pid: flags.pid,
    stepIndex: flags.stepIndex,
    stepDesc: flags.stepDesc,
    // Their forms are judged with the rest of the options.
    guideInfo: flags.guideInfo as AlgorithmInput['guideInfo'],
    userParams: flags.userParams as AlgorithmInput['userParams'],
    sessionId: flags.sessionId,
    productCode: flags.productCode,
    traceId: flags.traceId,
    reference: flags.reference,
    saveAnnotated: flags.saveAnnotated,
  });
}
