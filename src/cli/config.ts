/** What flags and configuration file of `run` come to: its own options, and those of a bridge for each camera. */
import { readFile } from 'node:fs/promises';
import { CAMERA_PLACEHOLDER } from '../bridge/index.js';
import { BridgeError } from '../errors.js';
import {
  type BridgeInput,
  bridgeOptionsSchema,
  type ConfigFile,
  configSchema,
  type OptionSpec,
  optionProblems,
  parseOptions,
  type RunOptions,
  runOptionsSchema,
} from '../options/index.js';
import { type Given, refuseIdle, withAlgorithm } from './flags.js';

export interface RunInputs {
  readonly options: RunOptions;
  /** One a camera. */
  readonly bridges: readonly BridgeInput[];
}

/** Ends in OPTION_INVALID; `algorithm` is what stood behind `--`. */
export async function runInputs(
  specs: readonly OptionSpec[],
  given: Given & { readonly runner?: unknown },
  algorithm: readonly string[],
  path: string | undefined,
): Promise<RunInputs> {
  const flags = withAlgorithm(given, algorithm);
  const config = path === undefined ? {} : await readConfig(path);
  const merged = over(config, flags) as ConfigFile;
  const control = merged.control || merged.controlName !== undefined;
  refuseIdle(specs, flags, { ...merged, control });
  const own = Object.entries(merged).filter(([name]) => name in runOptionsSchema.shape);
  return { options: parseOptions(runOptionsSchema, Object.fromEntries(own)), bridges: cameras(merged) };
}

/** One set of options over another; those that are groups are joined. */
function over(below: Given, above: Given): Given {
  const groups = ['supervision', 'virtual'].filter((name) => below[name] && above[name]);
  const joined = groups.map((name) => [name, { ...(below[name] as object), ...(above[name] as object) }]);
  return { ...below, ...above, ...Object.fromEntries(joined) };
}

/** The first camera has the names in shared memory, the others a number behind them. */
function cameras(config: ConfigFile): BridgeInput[] {
  const ports = [config.port ?? 'auto'].flat();
  const real = ports.filter((port) => port !== 'virtual');
  if (new Set(real).size < real.length) {
    throw new BridgeError(
      'OPTION_INVALID',
      'The same --port is given twice: each camera has one of its own.',
    );
  }
  const entries = Object.entries(config).filter(([name]) => name in bridgeOptionsSchema.shape);
  const common: BridgeInput = Object.fromEntries(entries);
  if (ports.length > 1) refuseShared(common, ports.length);
  return ports.map((port, index) => ({ ...common, ...numbered(common, port, index), port }));
}

/** What several cameras cannot have in common. */
function refuseShared({ cameraId, pipeline }: BridgeInput, count: number): void {
  if (cameraId !== undefined) {
    throw new BridgeError(
      'OPTION_INVALID',
      `--camera-id names one camera, and there are ${count} cameras, whose files would overwrite each other: leave it away, then each has its own unique id.`,
    );
  }
  if (pipeline !== undefined && !pipeline.includes(CAMERA_PLACEHOLDER)) {
    throw new BridgeError(
      'OPTION_INVALID',
      `--pipeline is the same for several cameras, which would write one file: put ${CAMERA_PLACEHOLDER} where the camera's id belongs, such as location=${CAMERA_PLACEHOLDER}.mp4, or start a bridge for each camera.`,
    );
  }
}

/** What tells the cameras after the first one apart. */
function numbered(common: BridgeInput, port: string, index: number): Partial<BridgeInput> {
  if (index === 0) return {};
  const { shmName = '/openmv_frame', ring, arrays, virtual } = common;
  const number = index + 1;
  return {
    shmName: `${shmName}_${number}`,
    ...(ring === undefined ? {} : { ring: `${ring}_${number}` }),
    ...(arrays === undefined ? {} : { arrays: `${arrays}_${number}` }),
    ...(port === 'virtual' ? { virtual: { ...virtual, id: (virtual?.id ?? 1) + index } } : {}),
  };
}

async function readConfig(path: string): Promise<ConfigFile> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BridgeError('OPTION_INVALID', `The config file ${path} cannot be used: ${reason}.`, { cause });
  }
  const checked = configSchema.safeParse(value);
  if (checked.success) return value as ConfigFile;
  const problems = optionProblems(checked.error);
  const text = problems.map((problem) => `${problem.path || 'the file'}: ${problem.text}`).join('; ');
  throw new BridgeError('OPTION_INVALID', `The config file ${path} cannot be used: ${text}.`, {
    context: { problems },
  });
}
