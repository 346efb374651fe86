/** Options of a bridge: those of its camera, and what happens to its frames. */
import { z } from 'zod';
import { cameraOptionsSchema } from '../camera/options.js';
import { DELIVERY_POLICIES, DIALECTS } from '../runner/index.js';
import { VIZN_DEFAULT_NAME, VIZN_DEFAULT_SIZE } from '../shm/index.js';

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
  /** Permission bits of the segment. */
  shmMode: z.number().int().min(0).max(0o777).default(0o600),
  /** Where image files for the algorithm go; default: a private directory under /dev/shm. */
  imageDir: z.string().min(1).optional(),
  /** The algorithm's adapter: "CMD ARGS", split as a shell splits, or the words. */
  runner: z.union([z.string().min(1), z.array(z.string()).min(1)]).optional(),
  dialect: z.enum(DIALECTS).default('auto'),
  /** How long one call may take before the adapter is restarted. */
  callTimeoutMs: z.number().int().min(1).max(MAX_TIMER_MS).default(30_000),
  /** A busy algorithm skips to the newest frame, or every frame is processed and the sensor waits. */
  delivery: z.enum(DELIVERY_POLICIES).default('latest'),
});

/** Complete options, defaults filled in. */
export type BridgeOptions = z.infer<typeof bridgeOptionsSchema>;
/** What a caller writes. */
export type BridgeInput = z.input<typeof bridgeOptionsSchema>;
