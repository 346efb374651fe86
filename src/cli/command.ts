/** What the smaller subcommands share: their flags, a camera for the length of an action, and an orderly end. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { Camera } from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import {
  type AlgorithmOptions,
  algorithmOptionsSchema,
  type CameraInput,
  cameraOptionsSchema,
  optionSpecs,
  parseOptions,
} from '../options/index.js';
import { EXIT, exitStatus } from './exit-status.js';
import { addFlags, withAlgorithm } from './flags.js';
import { Output } from './output.js';

/** Declares the options of a camera and, as a shape, those of the command itself; what comes back reads them. */
export function cameraFlags<Shape extends z.ZodRawShape>(
  command: Command,
  shape: Shape,
): () => { camera: CameraInput; own: z.infer<z.ZodObject<Shape>> } {
  const own = ownFlags(command, shape);
  const camera = addFlags(command, optionSpecs(cameraOptionsSchema));
  return () => ({ camera: camera() as CameraInput, own: own() });
}

/** The same for a command without a camera. */
export function ownFlags<Shape extends z.ZodRawShape>(
  command: Command,
  shape: Shape,
): () => z.infer<z.ZodObject<Shape>> {
  const schema = z.strictObject(shape);
  const given = addFlags(command, optionSpecs(schema), true);
  return () => schema.parse(given());
}

/** An algorithm's options of which its command is there. */
export type AlgorithmWithRunner = AlgorithmOptions & { readonly runner: string | readonly string[] };

/** The same for an algorithm, `without` some of its options; `words` stood behind `--`. OPTION_INVALID: there is none. */
export function algorithmFlags(
  command: Command,
  words: readonly string[],
  without: readonly string[],
): () => AlgorithmWithRunner {
  const specs = optionSpecs(algorithmOptionsSchema).filter(({ path }) => !without.includes(path[0]!));
  const given = addFlags(command, specs);
  return () => {
    const options = parseOptions(algorithmOptionsSchema, withAlgorithm(given(), words));
    const { runner } = options;
    if (runner !== undefined) return { ...options, runner };
    throw new BridgeError(
      'OPTION_INVALID',
      `Give the algorithm behind --, as in: ${nameOf(command)} -- python3 algorithm.py`,
    );
  };
}

/** With those above it, as it is typed. */
function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

/** Runs an action and turns its error into words and an exit status. */
export async function withOutput(
  json: boolean,
  action: (output: Output) => Promise<number | undefined>,
): Promise<void> {
  const output = new Output({ json, level: 'info', quiet: false });
  try {
    process.exitCode = (await action(output)) ?? EXIT.done;
  } catch (error) {
    const known = asBridgeError(error);
    output.error(known);
    process.exitCode = exitStatus(known);
  } finally {
    output.flush();
  }
}

/** Connects, acts, and closes whatever happens. */
export async function withCamera<T>(input: CameraInput, action: (camera: Camera) => Promise<T>): Promise<T> {
  const { connectCamera } = await import('../camera/index.js');
  const camera = await connectCamera(input);
  try {
    return await action(camera);
  } finally {
    await camera.close();
  }
}
