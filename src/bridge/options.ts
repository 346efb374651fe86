/** Options of a bridge: those of its camera, and what happens to its frames. */
import { z } from 'zod';
import { cameraOptionsSchema } from '../camera/options.js';
import {
  RING_DEFAULT_SLOT_SIZE,
  RING_DEFAULT_SLOTS,
  VIZN_DEFAULT_NAME,
  VIZN_DEFAULT_SIZE,
} from '../shm/index.js';
import { algorithmOptionsShape } from './algorithm-options.js';

/** The longest a Node timer runs. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const bridgeOptionsSchema = cameraOptionsSchema.extend({
  /** Name of the camera's frame channel. */
  channel: z.string().min(1).max(13).default('frame'),
  /**
   * Path of a script to run on the camera first; `false`: none is ever sent. Default: the bundled
   * frame_channel.py is sent when the camera has no channel of the wanted name.
   */
  script: z.union([z.string().min(1), z.literal(false)]).optional(),
  /**
   * Whether a camera that has gone is waited for; a number: how many attempts in a row may fail. A camera that
   * cannot be opened in the first place is not waited for.
   */
  reconnect: z.union([z.boolean(), z.number().int().min(1)]).default(true),
  /** Stop after that many delivered frames. */
  frames: z.number().int().min(1).optional(),
  /** Stop after that time. */
  durationMs: z.number().int().min(1).max(MAX_TIMER_MS).optional(),
  /** Directory that every frame is written to, as `<camera-id>-<sequence, 8 digits>.jpg`. */
  save: z.string().min(1).optional(),
  /** Whether frames go into the VIZN segment. */
  shm: z.boolean().default(true),
  shmName: z.string().min(1).default(VIZN_DEFAULT_NAME),
  /** Bytes of the segment, its header included. */
  shmSize: z
    .number()
    .int()
    .min(4_096)
    .max(2 ** 31 - 1)
    .default(VIZN_DEFAULT_SIZE),
  /** Permission bits of everything in shared memory that has a name given here. */
  shmMode: z.number().int().min(0).max(0o777).default(0o600),
  /** What the VIZN segment holds: the JPEG as it came, or decoded pixels. */
  shmFormat: z.enum(['mjpg', 'rgb3', 'bgr3', 'grey', 'rgba']).default('mjpg'),
  /** Base name of arrays with a semaphore: decoded frames in the channel `image`. Default: none. */
  arrays: z.string().min(1).optional(),
  /** Name of a ring with every frame, for any number of readers. Default: none. */
  ring: z.string().min(1).optional(),
  /** Frames that the ring keeps. */
  ringSlots: z.number().int().min(4).max(1_024).default(RING_DEFAULT_SLOTS),
  /** Bytes of the largest frame that the ring takes. */
  ringSlotSize: z
    .number()
    .int()
    .min(1_024)
    .max(2 ** 26)
    .default(RING_DEFAULT_SLOT_SIZE),
  /** GStreamer pipeline that every frame is given to, such as `videoconvert ! autovideosink`. Default: none. */
  pipeline: z.string().min(1).optional(),
  /** Whether frames are pulled from the start; else from `bridge.startStreaming()` on. */
  streaming: z.boolean().default(true),
  ...algorithmOptionsShape,
});

/** Complete options, defaults filled in. */
export type BridgeOptions = z.infer<typeof bridgeOptionsSchema>;
/** What a caller writes. */
export type BridgeInput = z.input<typeof bridgeOptionsSchema>;
