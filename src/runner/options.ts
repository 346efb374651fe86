import * as z from 'zod';
import { callSettingsSchema, DIALECTS } from '../adapter/dialects.js';
import { describeIssues } from '../adapter/messages.js';
import { BridgeError } from '../errors.js';
import { supervisionShape } from '../options/index.js';
import { splitCommandLine } from './command-line.js';

/** Longest delay a Node timer keeps; above it, it would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

const delay = (fallback: number) => z.number().int().min(1).max(MAX_DELAY_MS).default(fallback);

/** Every time limit of the runner, in milliseconds, with its default and its reason. */
export const timingsSchema = z.strictObject({
  /** From the start of the adapter to its hello: imports of large libraries take seconds. */
  startupMs: delay(10_000),
  /** One `execute` (the protocol's own figure). */
  callMs: delay(30_000),
  /** One `pre` (the protocol's own figure). */
  preMs: delay(10_000),
  /** Silence in the middle of a message: adapters write a message at once, so this much means a stray print. */
  partialMessageMs: delay(5_000),
  /** From a closed stdin or stdout to giving the adapter up; usually its exit follows at once. */
  brokenPipeMs: delay(1_000),
  /** What processes left behind by the adapter get to end by themselves, after SIGTERM. */
  orphanMs: delay(200),
  /** What the owner of a production line may have to change. */
  ...supervisionShape,
});

export type Timings = z.infer<typeof timingsSchema>;

export const runnerOptionsSchema = z.strictObject({
  /** The adapter: "CMD ARGS" as in a shell, or the words themselves. Never given to a shell. */
  command: z.union([z.string(), z.array(z.string()).min(1)]),
  /** Directory of the image files; the adapter gets it as PROC_SHM_DIR. */
  imageDirectory: z.string().min(1),
  /** This program's version, for the runner's hello. */
  runnerVersion: z.string().min(1),
  /** Working directory: the algorithm's root, where manifest.json is. Default: our own. */
  cwd: z.string().min(1).optional(),
  /** PROC_ALGO_ROOT; default: the working directory. */
  algorithmRoot: z.string().min(1).optional(),
  /** PROC_ENTRY_POINT, "module:Class"; default: what the manifest says. */
  entryPoint: z.string().min(1).optional(),
  /** PROC_LOG_LEVEL. */
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  /**
   * PROC_STRICT_STDIO: SDK 0.3 then catches prints to stdout and fails the call with error 1010, at the price of
   * 20 ms a call. Without it the SDK sends such prints to stderr and says nothing.
   */
  strictStdio: z.boolean().default(true),
  /** Further environment variables. */
  env: z.record(z.string(), z.string()).default({}),
  dialect: z.enum(DIALECTS).default('auto'),
  settings: callSettingsSchema.prefault({}),
  timings: timingsSchema.prefault({}),
});

/** What a caller writes: everything with a default may be left out. */
export type RunnerOptions = z.input<typeof runnerOptionsSchema>;
/** The same, complete, with the command split into words. */
export type ResolvedRunnerOptions = Omit<z.infer<typeof runnerOptionsSchema>, 'command'> & {
  readonly command: readonly string[];
};

/** Fills in defaults; ends in OPTION_INVALID naming the option that is wrong. */
export function resolveRunnerOptions(options: RunnerOptions): ResolvedRunnerOptions {
  const parsed = runnerOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const issues = describeIssues(parsed.error);
    throw new BridgeError('OPTION_INVALID', `The algorithm runner's options are not valid: ${issues}`, {
      context: { issues },
    });
  }
  const { command } = parsed.data;
  const words = typeof command === 'string' ? splitCommandLine(command) : command;
  if (words[0] === '' || words.some((word) => word.includes('\0'))) {
    throw new BridgeError(
      'OPTION_INVALID',
      'The algorithm command has an empty program name or a NUL character in it.',
      { context: { command: words } },
    );
  }
  return { ...parsed.data, command: words };
}
