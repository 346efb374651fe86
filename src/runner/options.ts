import * as z from 'zod';
import { callSettingsSchema, describeIssues } from '../adapter/index.js';
import { splitWords } from '../command-line.js';
import { BridgeError } from '../errors.js';
import { algorithmOptionsSchema, MAX_TIMER_MS, supervisionShape } from '../options/index.js';

/** What the bridge has as well is declared there. */
const shared = algorithmOptionsSchema.shape;
const delay = (fallback: number) => z.int().min(1).max(MAX_TIMER_MS).default(fallback);

/** Every time limit of the runner, in milliseconds, with its default and its reason. */
export const timingsSchema = z.strictObject({
  /** From the start of the adapter to its first answer: after its hello it may load models for minutes. */
  startupMs: shared.startupTimeoutMs,
  /** Between two notes in the log that an adapter is still loading. */
  loadingNoteMs: delay(10_000),
  /** One `execute` (the protocol's own figure). */
  callMs: shared.callTimeoutMs,
  /** One `pre` (the protocol's own figure). */
  preMs: shared.preTimeoutMs,
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
  cwd: shared.runnerCwd,
  /** PROC_ALGO_ROOT; default: the working directory. */
  algorithmRoot: z.string().min(1).optional(),
  /** PROC_ENTRY_POINT, "module:Class"; default: what the manifest says. */
  entryPoint: shared.entryPoint,
  /** PROC_LOG_LEVEL. */
  logLevel: shared.algorithmLogLevel,
  /**
   * PROC_STRICT_STDIO: SDK 0.3 then catches prints to stdout and fails the call with error 1010, at the price of
   * 20 ms a call. Without it the SDK sends such prints to stderr, which does no harm.
   */
  strictStdio: shared.strictStdio,
  /** Further environment variables. */
  env: z.record(z.string(), z.string()).default({}),
  dialect: shared.dialect,
  /** When an adapter that knows `pre` gets such a call: before its first frame, before each, or not at all. */
  preExecute: shared.preExecute,
  /** A call that failed for what may pass (a time-out, busy, out of memory) is tried once more with the same frame. */
  retry: z.boolean().default(false),
  /** Largest result, in bytes of JSON. A larger one fails its call. */
  maxResultBytes: shared.maxResultBytes,
  settings: callSettingsSchema.prefault({}),
  timings: timingsSchema.prefault({}),
});

/** What a caller writes: everything with a default may be left out. */
export type RunnerOptions = z.input<typeof runnerOptionsSchema>;
/** The same, complete, with the command split into words. */
export type ResolvedRunnerOptions = Omit<z.infer<typeof runnerOptionsSchema>, 'command'> & {
  readonly command: string[];
};

/** Splits an algorithm's "CMD ARGS" into words as a POSIX shell does; OPTION_INVALID. */
export function splitCommandLine(text: string): string[] {
  return splitWords(text, 'algorithm command');
}

/** Fills in defaults. OPTION_INVALID names the option that is wrong. */
export function resolveRunnerOptions(options: RunnerOptions): ResolvedRunnerOptions {
  const parsed = runnerOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const issues = describeIssues(parsed.error);
    throw new BridgeError('OPTION_INVALID', `The algorithm runner's options are not valid: ${issues}`, {
      context: { issues },
    });
  }
  const { command: given } = parsed.data;
  const command = typeof given === 'string' ? splitCommandLine(given) : given;
  if (command[0] !== '' && !command.some((word) => word.includes('\0'))) return { ...parsed.data, command };
  throw new BridgeError(
    'OPTION_INVALID',
    'The algorithm command has an empty program name or a NUL character in it.',
    { context: { command } },
  );
}
