/** Options of a virtual camera: what they are, their ranges and defaults. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BridgeError } from '../errors.js';
import { readProblem } from '../files.js';
import { virtualShape } from '../options/index.js';
import { packageFile } from '../package.js';
import { DEVICE_MIN_PAYLOAD } from '../protocol/index.js';
import { SENSOR_ID } from './interpreter/glue/csi-constants.js';
import type { BoardIdentity, Capture } from './interpreter/messages.js';
import type { FaultRequest } from './line/fault-log.js';
import { faultOptionsSchema, parseFaults } from './line/fault-options.js';
import { readFaultLog, replayPath } from './line/fault-replay.js';
import type { LineFaultSource } from './line/faults.js';
import { seedOfLife } from './prng.js';

/** The board that is imitated unless told otherwise: an OpenMV Cam RT1062. */
const CPU_ID = 0x411fc271;
const USB_VENDOR = 0x37c5;
const USB_PRODUCT = 0x1060;
const HARDWARE_CAPS = 0x00140070;
const FRAMEBUFFER_KB = 16 * 1024;
const STREAM_BUFFER_KB = 1024;
/** First two words of a virtual camera's unique id, "OMVB" and "VIRT"; the third is the option `id`. */
const DEVICE_ID_WORDS = [0x4f4d5642, 0x56495254] as const;

/** Largest packet buffer of any board has 8,192 bytes; the field could express more. */
const MAX_PAYLOAD = 16_384;
const DEFAULT_MAX_PAYLOAD = 4_082;

const word = z.int().min(0).max(0xffff_ffff);
const halfWord = z.int().min(0).max(0xffff);
const byte = z.int().min(0).max(0xff);
const version = z.tuple([byte, byte, byte]);

export const virtualCameraOptionsSchema = z.strictObject({
  ...virtualShape,
  /** Largest payload in bytes; boards have 498, 4082 or 8178. */
  maxPayload: z.int().min(DEVICE_MIN_PAYLOAD).max(MAX_PAYLOAD).default(DEFAULT_MAX_PAYLOAD),
  /** Becomes the last word of the device's unique id. */
  id: virtualShape.id.unwrap().default(1),
  /** What the board says of itself. */
  identity: z
    .strictObject({
      deviceId: z.tuple([word, word, word]).optional(),
      cpuId: word.default(CPU_ID),
      usbVendorId: halfWord.default(USB_VENDOR),
      usbProductId: halfWord.default(USB_PRODUCT),
      protocol: version.default([1, 0, 2]),
      bootloader: version.default([1, 0, 3]),
      firmware: version.default([5, 0, 0]),
    })
    .prefault({}),
  /** Damage to the line, as text for `parseFaults`, its result, or `replay:FILE` with a log of faults. Default: none. */
  faults: z.union([z.string(), faultOptionsSchema]).optional(),
  /** How often this camera was switched on: each time it meets other faults, and those of a log in their order. */
  life: z.int().min(1).default(1),
  /** Called for each JPEG that the camera makes, before the host can have its first byte. */
  onCapture: z.custom<(capture: Capture) => void>((value) => typeof value === 'function').optional(),
});

export type VirtualCameraInput = z.input<typeof virtualCameraOptionsSchema>;

/** Options with their defaults, the script read, the faults parsed. */
export interface VirtualCameraOptions {
  readonly mainScript: string | undefined;
  readonly images: string | undefined;
  readonly fps: number | undefined;
  readonly compressMs: number;
  readonly pulseMs: number | undefined;
  readonly maxPayload: number;
  readonly identity: BoardIdentity;
  /** What the line does to its packets, and how that was asked for. */
  readonly faults: { readonly source: LineFaultSource; readonly request: FaultRequest } | undefined;
  /** Number of the camera in logs. */
  readonly id: number;
  readonly life: number;
  readonly faultLog: string | undefined;
  readonly ledger: string | undefined;
  readonly onCapture: ((capture: Capture) => void) | undefined;
}

/**
 * Reads options from anywhere. OPTION_INVALID names each option that is wrong; FILE_FAILED: the script or the log of
 * faults cannot be read.
 */
export async function readOptions(
  input: unknown,
  signal: AbortSignal | undefined,
): Promise<VirtualCameraOptions> {
  const parsed = virtualCameraOptionsSchema.safeParse(input);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`,
    );
    throw new BridgeError('OPTION_INVALID', `Wrong options of the virtual camera: ${problems.join('; ')}.`, {
      context: { problems },
    });
  }
  const {
    script,
    images,
    fps,
    compressMs,
    pulseMs,
    maxPayload,
    id,
    identity,
    life,
    faults,
    faultLog,
    ledger,
    onCapture,
  } = parsed.data;
  return {
    mainScript:
      script === null
        ? undefined
        : await readScript(script ?? packageFile('firmware/frame_channel.py'), signal),
    images,
    fps: fps === 'max' ? Number.POSITIVE_INFINITY : fps,
    compressMs: compressMs ?? 0,
    pulseMs,
    maxPayload,
    identity: boardIdentity(identity, id),
    faults: faults === undefined ? undefined : await readFaults(faults, id, life, signal),
    id,
    life,
    faultLog,
    ledger,
    onCapture,
  };
}

async function readFaults(
  faults: string | z.output<typeof faultOptionsSchema>,
  id: number,
  life: number,
  signal: AbortSignal | undefined,
): Promise<NonNullable<VirtualCameraOptions['faults']>> {
  const replay = typeof faults === 'string' ? replayPath(faults) : undefined;
  if (replay !== undefined) {
    const source = await readFaultLog(replay, id, life, signal);
    return { source, request: { replay, throttle: source.throttle } };
  }
  const options = typeof faults === 'string' ? parseFaults(faults) : faults;
  return { source: { ...options, seed: seedOfLife(options.seed, life) }, request: options };
}

async function readScript(path: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    return await readFile(path, { encoding: 'utf8', ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new BridgeError(
      'FILE_FAILED',
      `The virtual camera's script ${path} cannot be read: ${readProblem(cause)}.`,
      {
        context: { path },
        cause,
      },
    );
  }
}

type Identity = z.output<typeof virtualCameraOptionsSchema>['identity'];

function boardIdentity(identity: Identity, id: number): BoardIdentity {
  const { deviceId, cpuId, usbVendorId, usbProductId, protocol, bootloader, firmware } = identity;
  return {
    version: { protocol, bootloader, firmware },
    system: {
      cpuId,
      deviceId: deviceId ?? [...DEVICE_ID_WORDS, id],
      usbVendorId,
      usbProductId,
      chipIds: [SENSOR_ID, 0, 0],
      hardwareCaps: [HARDWARE_CAPS, 0],
      flashKb: 0,
      ramKb: 0,
      framebufferKb: FRAMEBUFFER_KB,
      streamBufferKb: STREAM_BUFFER_KB,
    },
  };
}
