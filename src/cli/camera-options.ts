/** The options that every subcommand with a camera has, and what they come to. */
import { type Command, Option } from 'commander';
import type { CameraInput } from '../camera/options.js';
import { wholeNumber } from './arguments.js';

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
  virtualFaults?: string;
  virtualLedger?: string;
}

/** Adds the options of the virtual camera. */
export function addVirtualOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--virtual-script <file>', 'virtual camera: its main.py (default: frame_channel.py)'),
    )
    .addOption(new Option('--no-virtual-script', 'virtual camera: no main.py, as a camera out of the box'))
    .addOption(
      new Option('--virtual-images <dir>', 'virtual camera: pictures it sees instead of the test scene'),
    )
    .addOption(
      new Option('--virtual-fps <rate>', "virtual camera: frames per second, or max (default: the sensor's)"),
    )
    .addOption(
      new Option(
        '--virtual-faults <spec>',
        'virtual camera: faults of its line, such as 2% or drop=1%,double=1%,stall=0.1%,seed=7',
      ),
    )
    .addOption(new Option('--virtual-ledger <file>', 'virtual camera: write a JSON line for each capture'));
}

/** Adds link settings and the virtual camera's options; the port is each command's own. */
export function addCameraOptions(command: Command): Command {
  command
    .option(
      '--baudrate <n>',
      'serial speed (default: 921600, which selects the protocol)',
      wholeNumber(1_200, 12_000_000),
    )
    .option('--camera-id <id>', "name of the camera (default: the device's unique id)")
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

/** Options of the library from the flags; `index` tells several virtual cameras apart. */
export function cameraInput(flags: CameraFlags, port: string | undefined, index = 0): CameraInput {
  const { baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes } = flags;
  return defined({
    port,
    baudrate,
    ack,
    maxPayload,
    crc: crc ? undefined : false,
    cameraId,
    maxFrameBytes,
    virtual: port === 'virtual' ? { ...virtualInput(flags), id: index + 1 } : undefined,
  });
}

export function virtualInput(flags: CameraFlags): Record<string, unknown> {
  const fps = flags.virtualFps;
  return defined({
    script: flags.virtualScript === false ? null : flags.virtualScript,
    images: flags.virtualImages,
    fps: fps === undefined || fps === 'max' ? fps : Number(fps),
    faults: flags.virtualFaults,
    ledger: flags.virtualLedger,
  });
}

/** Without the keys that are undefined, so that defaults apply. */
export function defined<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
