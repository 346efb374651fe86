/** The options that every subcommand with a camera has, and what they come to. */
import { type Command, Option } from 'commander';
import type { CameraInput } from '../camera/options.js';
import { cameraName, frameRate, wholeNumber } from './arguments.js';

export interface CameraFlags {
  baudrate?: number;
  ack?: 'auto' | 'on' | 'off';
  maxPayload?: number;
  crc: boolean;
  cameraId?: string;
  maxFrameBytes?: number;
  virtualScript?: string | false;
  virtualImages?: string;
  virtualFps?: string;
  virtualCompressMs?: number;
  virtualFaults?: string;
  virtualLedger?: string;
  virtualFaultLog?: string;
}

/** Adds the options of the virtual camera. */
export function addVirtualOptions(command: Command): Command {
  return command
    .optionsGroup('Virtual camera:')
    .addOption(new Option('--virtual-script <file>', 'its main.py (default: frame_channel.py)'))
    .addOption(new Option('--no-virtual-script', 'no main.py, as a camera out of the box'))
    .addOption(new Option('--virtual-images <dir>', 'pictures it sees instead of the test scene'))
    .addOption(
      new Option('--virtual-fps <rate>', "frames per second, or max (default: the sensor's)").argParser(
        frameRate,
      ),
    )
    .addOption(
      new Option(
        '--virtual-compress-ms <ms>',
        'time that making a JPEG takes; the camera answers nothing meanwhile (default: 0)',
      ).argParser(wholeNumber(0, 10_000)),
    )
    .addOption(
      new Option(
        '--virtual-faults <spec>',
        'faults of its line, such as 2% or drop=1%,stall=0.1%,seed=7, or replay:FILE with a fault log',
      ),
    )
    .addOption(new Option('--virtual-fault-log <file>', 'write a JSON line for each fault it injects'))
    .addOption(new Option('--virtual-ledger <file>', 'write a JSON line for each capture'));
}

/** Adds link settings and the virtual camera's options; the port is each command's own. */
export function addCameraOptions(command: Command): Command {
  command
    .optionsGroup('Camera link:')
    .option(
      '--baudrate <n>',
      'serial speed (default: 921600, which selects the protocol)',
      wholeNumber(1_200, 12_000_000),
    )
    .option('--camera-id <id>', "name of the camera (default: the device's unique id)", cameraName)
    .addOption(
      new Option('--ack <when>', 'acknowledge every packet (default: auto)').choices(['auto', 'on', 'off']),
    )
    .option(
      '--max-payload <bytes>',
      "largest packet payload (default: the camera's limit)",
      wholeNumber(52, 16_384),
    )
    .option('--no-crc', 'do without checksums')
    .option(
      '--max-frame-bytes <bytes>',
      'largest frame believed (default: 16777216)',
      wholeNumber(1_024, 67_108_864),
    );
  return addVirtualOptions(command);
}

/**
 * Options of the library from the flags; `index` tells several virtual cameras apart. `virtual`: what a config file
 * says of them, which flags win over.
 */
export function cameraInput(
  flags: CameraFlags,
  port: string | undefined,
  index = 0,
  virtual: CameraInput['virtual'] = {},
): CameraInput {
  const { baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes } = flags;
  return defined({
    port,
    baudrate,
    ack,
    maxPayload,
    crc: crc ? undefined : false,
    cameraId,
    maxFrameBytes,
    virtual:
      port === 'virtual'
        ? flagsOver(virtual, { ...virtualInput(flags), ...numbered(virtual, index) })
        : undefined,
  });
}

export function virtualInput(flags: CameraFlags): Record<string, unknown> {
  const fps = flags.virtualFps;
  return defined({
    script: flags.virtualScript === false ? null : flags.virtualScript,
    images: flags.virtualImages,
    fps: fps === undefined || fps === 'max' ? fps : Number(fps),
    compressMs: flags.virtualCompressMs,
    faults: flags.virtualFaults,
    faultLog: flags.virtualFaultLog,
    ledger: flags.virtualLedger,
  });
}

/** Each of several virtual cameras has a number of its own, counted from the first one's. */
function numbered({ id = 1 }: Readonly<Record<string, unknown>>, index: number): Record<string, unknown> {
  return typeof id === 'number' ? { id: id + index } : {};
}

/** A group of a config file, with flags in the place of single settings; what is no group is for the schema to refuse. */
export function flagsOver<T>(group: T, flags: object): T {
  const isGroup =
    group === undefined || (typeof group === 'object' && group !== null && !Array.isArray(group));
  return isGroup ? ({ ...group, ...flags } as T) : group;
}

/** Without the keys that are undefined, so that defaults apply. */
export function defined<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
