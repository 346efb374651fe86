/** What flags and configuration file of `run` come to: its own options, and those of a bridge for each camera. */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { CAMERA_PLACEHOLDER } from '../bridge/index.js';
import { BridgeError } from '../errors.js';
import { readProblem } from '../files.js';
import {
  type BridgeInput,
  bridgeOptionsSchema,
  type ConfigFile,
  configSchema,
  expectRecording,
  type OptionSpec,
  optionProblems,
  optionSpecs,
  parseOptions,
  type RunOptions,
  runOptionsSchema,
} from '../options/index.js';
import { packageFile } from '../package.js';
import { type ConfiguredCamera, type NumberedCamera, numbered, numberedInput } from './camera-numbers.js';
import { type Given, refuseIdle, withAlgorithm } from './flags.js';

export interface RunInputs {
  readonly options: RunOptions;
  /** One a camera; none: those of other machines are shown. */
  readonly bridges: readonly BridgeInput[];
  /** The same cameras, with the number that each has in names. */
  readonly cameras: readonly NumberedCamera[];
}

/** Ends in OPTION_INVALID; `algorithm` is what stood behind `--`, `before` the cameras that run already. */
export async function runInputs(
  specs: readonly OptionSpec[],
  given: Given & { readonly runner?: unknown },
  algorithm: readonly string[],
  path: string | undefined,
  before: readonly NumberedCamera[] = [],
): Promise<RunInputs> {
  const flags = withAlgorithm(given, algorithm);
  const config = path === undefined ? {} : await readConfig(path);
  if (config.cameras && flags['port'] !== undefined) {
    throw new BridgeError(
      'OPTION_INVALID',
      `The configuration ${path} names its cameras: leave --port away, or \`cameras\` out of the file.`,
    );
  }
  const merged = over(config, flags) as ConfigFile;
  const control = merged.control || merged.controlName !== undefined;
  refuseIdle(specs, flags, { ...Object.assign({}, ...(config.cameras ?? [])), ...merged, control });
  const options = parseOptions(runOptionsSchema, only(merged, runOptionsSchema));
  const common: BridgeInput = only(merged, bridgeOptionsSchema);
  // The page shows cameras of other machines then.
  const elsewhere = merged.http !== undefined && merged.nats !== undefined && merged.runner === undefined;
  const ports = [config.cameras ?? merged.port ?? (elsewhere ? [] : 'auto')].flat();
  const cameras = numbered(
    ports.map((one) => camera(common, flags, one)),
    before,
  );
  const bridges = cameras.map(numberedInput);
  expectRecording(
    bridges.map(({ port = '' }) => port),
    options,
  );
  for (const { port = '', speed } of bridges) expectRecording([port], { speed });
  if (bridges.length > 1) refuseShared(bridges);
  return { options, bridges, cameras };
}

/** What stands for a secret in a configuration that is printed. */
const MASK = '********';

const SECRETS = optionSpecs(runOptionsSchema).filter(({ secret }) => secret);

/** A configuration file that says the same, with every default; secrets are masked. */
export function completeConfig({ options, bridges }: RunInputs): object {
  const cameras = bridges.map((input) => parseOptions(bridgeOptionsSchema, input));
  const masked: Record<string, unknown> = { ...options };
  for (const { path } of SECRETS) {
    const [name = ''] = path;
    // A URL is one only with credentials in it.
    if (masked[name] !== undefined && !/^[a-z]+:\/\/[^@]*$/.test(String(masked[name]))) masked[name] = MASK;
  }
  return {
    $schema: packageFile('tools/config.schema.json'),
    ...masked,
    ...(cameras.length > 0 && { cameras }),
  };
}

/** OPTION_INVALID: a secret is the mask of a configuration that was printed. */
export function refuseMasked(inputs: RunInputs): RunInputs {
  const options: Given = { ...inputs.options };
  const masked = SECRETS.find(({ path }) => options[path[0]!] === MASK);
  if (!masked) return inputs;
  throw new BridgeError(
    'OPTION_INVALID',
    `${masked.path[0]} in the config file is masked, as --print-config prints it: put the secret there, or give --${masked.flag}.`,
  );
}

/** The options that a schema has. */
function only(options: object, schema: z.ZodObject): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name in schema.shape));
}

/** One set of options over another; those that are groups are joined. */
function over(below: Given, above: Given): Given {
  const groups = ['supervision', 'virtual'].filter((name) => below[name] && above[name]);
  const joined = groups.map((name) => [name, { ...(below[name] as object), ...(above[name] as object) }]);
  return { ...below, ...above, ...Object.fromEntries(joined) };
}

/** One camera: what holds for all of them, over it the camera's own options, over both the flags. */
function camera(common: BridgeInput, flags: Given, one: string | BridgeInput): ConfiguredCamera {
  const own = typeof one === 'string' ? { port: one } : { port: 'auto', ...one };
  const flagged = { ...only(flags, bridgeOptionsSchema), port: own.port };
  const input: BridgeInput = over(over({ ...common }, own), flagged);
  const names = Object.keys(own).filter((name) => !(name in flags));
  const id = 'virtual' in own && own.virtual?.id !== undefined ? ['virtual.id'] : [];
  return { input, own: new Set([...names, ...id]) };
}

/** What several cameras cannot have in common. */
function refuseShared(bridges: readonly BridgeInput[]): void {
  const twice = (name: 'port' | 'cameraId' | 'pipeline'): string | undefined => {
    const values = bridges.flatMap((input) => input[name] ?? []);
    return values.find((value, index) => values.indexOf(value) !== index && value !== 'virtual');
  };
  const refuse = (text: string): never => {
    throw new BridgeError('OPTION_INVALID', text);
  };
  if (twice('port') !== undefined) refuse('The same --port is given twice: each camera has one of its own.');
  if (twice('cameraId') !== undefined) {
    refuse(
      `--camera-id names one camera, and there are ${bridges.length} cameras, whose files would overwrite each other: leave it away, then each has its own unique id.`,
    );
  }
  if (twice('pipeline')?.includes(CAMERA_PLACEHOLDER) === false) {
    refuse(
      `--pipeline is the same for several cameras, which would write one file: put ${CAMERA_PLACEHOLDER} where the camera's id belongs, such as location=${CAMERA_PLACEHOLDER}.mp4, or start a bridge for each camera.`,
    );
  }
}

async function readConfig(path: string): Promise<ConfigFile> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new BridgeError(
      'OPTION_INVALID',
      `The config file ${path} cannot be used: ${readProblem(cause)}.`,
      { cause },
    );
  }
  const checked = configSchema.safeParse(value);
  if (checked.success) return value as ConfigFile;
  const problems = optionProblems(checked.error);
  const text = problems.map((problem) => `${problem.path || 'the file'}: ${problem.text}`).join('; ');
  throw new BridgeError('OPTION_INVALID', `The config file ${path} cannot be used: ${text}.`, {
    context: { problems },
  });
}
