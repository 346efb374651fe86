/** Options of a camera connection, and of the virtual camera. */
import { z } from 'zod';
import { HOST_MIN_PAYLOAD, PROTOCOL_BAUDRATE } from '../protocol/index.js';
import { group } from './schema.js';

/** Largest payload that the host offers to take; the largest packet buffer of any board has 8,192 bytes. */
const MAX_PAYLOAD = 16_384;
const MEBIBYTE = 2 ** 20;

const path = z.string().min(1);

/** What people set of a virtual camera; `src/virtual` takes more. */
export const virtualShape = group('Virtual camera', {
  script: path.nullable().optional().meta({
    flag: '--virtual-script FILE',
    description: 'its main.py; default: the bundled frame_channel.py',
    negated: 'no main.py, as a camera out of the box',
  }),
  images: path.optional().meta({
    flag: '--virtual-images DIR',
    description: 'images that it sees, in the order of their names; default: a test scene',
    common: true,
  }),
  fps: z
    .union([z.literal('max'), z.number().positive().max(10_000)])
    .optional()
    .meta({
      flag: '--virtual-fps RATE',
      description: "frames per second (fps), or max; default: the script's rate, else 30",
      common: true,
    }),
  compressMs: z.int().min(0).max(10_000).optional().meta({
    flag: '--virtual-compress-ms TIME',
    description: 'time that making a JPEG takes, in which the camera answers nothing; default: 0',
    unit: 'ms',
  }),
  pulseMs: z.int().min(2).max(3_600_000).optional().meta({
    flag: '--virtual-pulse TIME',
    description: 'a pulse on each pin that its script watches, so often; default: none',
    unit: 'ms',
  }),
  id: z.int().min(0).max(0xffff_ffff).optional().meta({
    flag: '--virtual-id N',
    description: 'number that tells virtual cameras apart; default: 1, and one more for each further one',
  }),
  faults: path.optional().meta({
    flag: '--virtual-faults SPEC',
    description: 'faults of its line: 2%, or drop=1%,stall=0.1%,seed=7, or replay:FILE with a fault log',
  }),
  faultLog: path.optional().meta({
    flag: '--virtual-fault-log FILE',
    description: 'write a JSON line for each fault that it injects',
  }),
  ledger: path.optional().meta({
    flag: '--virtual-ledger FILE',
    description: 'write a JSON line for each capture',
  }),
});

export const cameraOptionsSchema = z.strictObject({
  ...group('Camera', {
    port: z.string().min(1).default('auto').meta({
      flag: '--port PATH',
      description:
        'the camera: a device path, serial:NUMBER, virtual, replay:FILE, or auto for the only one there is',
      common: true,
    }),
    cameraId: z
      .string()
      .regex(
        /^[A-Za-z0-9._-]{1,64}$/,
        'must be letters, digits, dot, underscore and hyphen, at most 64 of them',
      )
      .optional()
      .meta({
        flag: '--camera-id ID',
        description: "the camera's name in events and file names; default: its unique id",
        common: true,
      }),
  }),
  ...group('Replay', {
    speed: z
      .union([z.literal('max'), z.number().positive().max(1_000)])
      .default(1)
      .meta({
        flag: '--speed N',
        description:
          'how much faster than it was recorded, or max: as fast as frames are taken; with --port replay:FILE',
      }),
  }),
  ...group('Camera link', {
    baudrate: z.int().min(1_200).max(12_000_000).default(PROTOCOL_BAUDRATE).meta({
      flag: '--baudrate N',
      description: 'serial speed; 921600 selects the protocol on USB cameras',
    }),
    ack: z.enum(['auto', 'on', 'off']).default('auto').meta({
      flag: '--ack WHEN',
      description: 'acknowledge every packet; auto: not on USB and virtual lines',
    }),
    maxPayload: z.int().min(HOST_MIN_PAYLOAD).max(MAX_PAYLOAD).default(MAX_PAYLOAD).meta({
      flag: '--max-payload BYTES',
      description: "largest packet payload; the camera's own limit applies as well",
      unit: 'bytes',
    }),
    crc: z.boolean().default(true).meta({
      flag: '--no-crc',
      description: 'do without checksums, on a line that is known to be good',
    }),
    maxFrameBytes: z
      .int()
      .min(1_024)
      .max(64 * MEBIBYTE)
      .default(16 * MEBIBYTE)
      .meta({
        flag: '--max-frame-bytes BYTES',
        description: 'largest frame that is believed',
        unit: 'bytes',
      }),
  }),
  virtual: z.looseObject(virtualShape).default({}),
});

export type CameraOptions = z.infer<typeof cameraOptionsSchema>;
