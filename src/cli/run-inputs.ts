/** What flags and config file of `run` come to: the options of a bridge for each camera. */
import { readFile } from 'node:fs/promises';
import type { BridgeInput } from '../bridge/options.js';
import { CAMERA_PLACEHOLDER } from '../bridge/streaming.js';
import { BridgeError } from '../errors.js';
import { type AlgorithmFlags, algorithmInput, refuseAlgorithmFlags } from './algorithm-flags.js';
import { type CameraFlags, cameraInput, defined, flagsOver } from './camera-options.js';
import type { ControlFlags } from './control-options.js';
import type { Level } from './output.js';

export interface RunFlags extends CameraFlags, AlgorithmFlags, ControlFlags {
  port?: string[];
  script?: string | false;
  channel?: string;
  frames?: number;
  duration?: number;
  reconnect?: boolean | number;
  save?: string;
  shm: boolean;
  shmName?: string;
  shmSize?: number;
  shmMode?: number;
  shmFormat?: BridgeInput['shmFormat'];
  arrays?: string;
  ring?: string;
  ringSlots?: number;
  ringSlotSize?: number;
  json?: boolean;
  config?: string;
  logLevel: Level;
  quiet?: boolean;
}

/** Options of a config file: those of the library, and `port` may be a list. */
type ConfigFile = Omit<BridgeInput, 'port'> & { port?: string | string[] };

/**
 * One set of options a port. The first camera has the segment's name, the others have a number behind it.
 * Ends in OPTION_INVALID.
 */
export async function bridgeInputs(flags: RunFlags, algorithm: readonly string[]): Promise<BridgeInput[]> {
  const config = flags.config === undefined ? {} : await readConfig(flags.config);
  const configured = config.port === undefined ? [] : [config.port].flat();
  const ports = flags.port ?? (configured.length > 0 ? configured : ['auto']);
  if (
    new Set(ports.filter((port) => port !== 'virtual')).size + ports.filter((p) => p === 'virtual').length <
    ports.length
  ) {
    throw new BridgeError(
      'OPTION_INVALID',
      'The same --port is given twice: each camera has one of its own.',
    );
  }
  if (ports.length > 1 && (flags.cameraId ?? config.cameraId) !== undefined) {
    throw new BridgeError(
      'OPTION_INVALID',
      `--camera-id names one camera, and there are ${ports.length} cameras, whose files would overwrite each other: leave it away, then each has its own unique id.`,
    );
  }
  const flagged = algorithmInput(flags, algorithm);
  // What a config file says may be meant for other runs.
  if (flagged.runner === undefined && config.runner === undefined) refuseAlgorithmFlags(flags);
  const common: BridgeInput = {
    ...config,
    ...defined({
      script: flags.script,
      channel: flags.channel,
      frames: flags.frames,
      durationMs: flags.duration,
      reconnect: flags.reconnect,
      save: flags.save,
      pipeline: flags.pipeline,
      streaming: flags.stream ? undefined : false,
      shm: flags.shm ? undefined : false,
      shmName: flags.shmName,
      shmSize: flags.shmSize,
      shmMode: flags.shmMode,
      shmFormat: flags.shmFormat,
      arrays: flags.arrays,
      ring: flags.ring,
      ringSlots: flags.ringSlots,
      ringSlotSize: flags.ringSlotSize,
    }),
    ...flagged,
    supervision: flagsOver(config.supervision, flagged.supervision ?? {}),
    port: 'auto',
  };
  if (ports.length > 1) refuseSharedPipeline(common.pipeline);
  return ports.map((port, index) => ({
    ...common,
    ...cameraInput(flags, port, index, config.virtual),
    ...(index > 0 ? numberedNames(common, index + 1) : {}),
  }));
}

/** Two cameras with one pipeline would write one file. */
function refuseSharedPipeline(pipeline: unknown): void {
  if (typeof pipeline !== 'string' || pipeline === '') return;
  if (!pipeline.includes(CAMERA_PLACEHOLDER)) {
    throw new BridgeError(
      'OPTION_INVALID',
      `--pipeline is the same for several cameras, which would write one file: put ${CAMERA_PLACEHOLDER} where the camera's id belongs, such as location=${CAMERA_PLACEHOLDER}.mp4, or start a bridge for each camera.`,
    );
  }
}

/** Names in shared memory of the second camera and those after it. */
function numberedNames({ shmName = '/openmv_frame', ring, arrays }: BridgeInput, number: number) {
  return {
    shmName: `${shmName}_${number}`,
    ...(ring === undefined ? {} : { ring: `${ring}_${number}` }),
    ...(arrays === undefined ? {} : { arrays: `${arrays}_${number}` }),
  };
}

async function readConfig(path: string): Promise<ConfigFile> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
      throw new Error('it is no JSON object');
    return parsed as ConfigFile;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BridgeError('OPTION_INVALID', `The config file ${path} cannot be used: ${reason}.`, { cause });
  }
}
