/** Options of a bridge: those of its camera, and what happens to its frames. */
import { z } from 'zod';
import { algorithmShape } from './algorithm.js';
import { type CameraOptions, cameraOptionsSchema } from './camera.js';
import { group, milliseconds } from './schema.js';

const text = z.string().min(1);

const { virtual, ...camera } = cameraOptionsSchema.shape;

/** Frames are saved as they are, or with their results drawn on them. */
const SAVED = 'save|saveAnnotated';
/** A pipeline is given at the start, or by a client. */
const PIPELINE = 'pipeline|control|controlName|http';

export const bridgeOptionsSchema = z.strictObject({
  ...camera,
  ...group('Camera', {
    script: z
      .union([text, z.literal(false)])
      .optional()
      .meta({
        flag: '--script FILE',
        description:
          'run this script on the camera first; default: frame_channel.py where the channel is missing',
        negated: 'never send a script to the camera',
        common: true,
      }),
    channel: z.string().min(1).max(13).default('frame').meta({
      flag: '--channel NAME',
      description: "the script's frame channel",
    }),
    source: z.enum(['frame', 'preview']).optional().meta({
      flag: '--source WHAT',
      description:
        "where frames come from: the script's channel, or the firmware's preview; default: what the script has",
    }),
    stale: z.enum(['drop', 'deliver']).default('drop').meta({
      flag: '--stale WHAT',
      description: 'a frame that waited at the camera before the connection: drop or deliver it',
    }),
    previewRaw: z
      .string()
      .regex(/^[1-9]\d{0,3}x[1-9]\d{0,3}$/, 'Give WIDTHxHEIGHT in pixels, such as 640x480')
      .optional()
      .meta({
        flag: '--preview-raw WIDTHxHEIGHT',
        description:
          'previews as pixels, larger pictures made smaller to fit; default: JPEGs that the camera makes',
      }),
    trigger: z.enum(['free', 'host', 'pin']).default('free').meta({
      flag: '--trigger WHEN',
      description: 'pictures all the time, when a client or program asks for one, or on an edge of a pin',
    }),
    triggerPin: z
      .string()
      .regex(/^[A-Za-z0-9_]{1,16}$/, "Give a pin's name as on the board, such as P7")
      .default('P7')
      .meta({
        flag: '--trigger-pin NAME',
        description: 'the pin, by its name on the board',
        needs: 'trigger',
      }),
    triggerEdge: z.enum(['rising', 'falling']).default('rising').meta({
      flag: '--trigger-edge EDGE',
      description: 'which edge of the pin; the pin is pulled to the other level',
      needs: 'trigger',
    }),
    reconnect: z
      .union([z.boolean(), z.int().min(1)])
      .default(true)
      .meta({
        flag: '--reconnect WHEN',
        description:
          'whether to wait for a camera that has gone: on, off, or how many attempts in a row may fail',
      }),
    wait: z.boolean().default(false).meta({
      flag: '--wait',
      description: 'wait for a camera that is not there at the start, without counting that for --duration',
      common: true,
    }),
    streaming: z.boolean().default(true).meta({
      flag: '--no-stream',
      description: 'pull no frames until start_stream is asked for',
      needs: 'control|http',
    }),
  }),
  ...group('Run', {
    frames: z.int().min(1).optional().meta({
      flag: '--frames N',
      description: 'stop after that many delivered frames',
      common: true,
    }),
    durationMs: milliseconds.optional().meta({
      flag: '--duration TIME',
      description: 'stop after that time',
      unit: 's',
      common: true,
    }),
    pipeline: text.optional().meta({
      flag: '--pipeline TEXT',
      description: "give every frame to this GStreamer pipeline; {camera} in it is the camera's id",
      common: true,
    }),
    pipelineDelivery: z.enum(['latest', 'every']).default('latest').meta({
      flag: '--pipeline-delivery POLICY',
      description: 'a busy pipeline loses frames, or the sensor waits for it',
      needs: PIPELINE,
    }),
    pipelineFinishTimeoutMs: milliseconds.default(30_000).meta({
      flag: '--pipeline-finish-timeout TIME',
      description: 'how long a pipeline may take to finish what it writes; then it is ended',
      unit: 's',
      needs: PIPELINE,
    }),
  }),
  ...group('Saving', {
    save: text.optional().meta({
      flag: '--save DIR',
      description: 'write frames to files there, CAMERA-SEQUENCE.jpg',
      common: true,
    }),
    saveWhen: z
      .string()
      .regex(
        /^(all|every:[1-9]\d{0,8}|(ng|failed)(,(ng|failed))*)$/,
        'Give all, every:N, or outcomes of the algorithm: ng, failed, or ng,failed',
      )
      .default('all')
      .meta({
        flag: '--save-when WHICH',
        description:
          'which frames: all, every:N for each Nth, or those with an outcome: ng, failed, or ng,failed',
        needs: SAVED,
      }),
    saveMaxBytes: z.int().min(1).optional().meta({
      flag: '--save-max-bytes BYTES',
      description: "room for a folder's saved frames, also of earlier runs; the oldest are removed",
      unit: 'bytes',
      needs: SAVED,
    }),
    saveMaxAgeMs: z.int().min(1).optional().meta({
      flag: '--save-max-age TIME',
      description: 'saved frames, also of earlier runs, are removed after that time',
      unit: 's',
      needs: SAVED,
    }),
    saveMinFree: z.int().min(1).optional().meta({
      flag: '--save-min-free BYTES',
      description: 'room on the disk that stays free; the oldest saved frames are removed',
      unit: 'bytes',
      needs: SAVED,
    }),
    saveFull: z.enum(['skip', 'stop']).default('skip').meta({
      flag: '--save-full ACTION',
      description: 'a frame that cannot be saved is lost and counted, or ends the run',
      needs: SAVED,
    }),
  }),
  ...group('Shared memory', {
    shm: z.boolean().default(true).meta({
      flag: '--no-shm',
      description: 'no shared-memory segment',
      common: true,
    }),
    shmName: text.default('/openmv_frame').meta({
      flag: '--shm-name NAME',
      description: 'name of the segment with the newest frame',
      common: true,
      needs: 'shm',
    }),
    shmFormat: z.enum(['mjpg', 'rgb3', 'bgr3', 'grey', 'rgba']).default('mjpg').meta({
      flag: '--shm-format FORMAT',
      description: 'what the segment holds: the JPEG as it came, or decoded pixels',
      common: true,
      needs: 'shm',
    }),
    shmSize: z
      .int()
      .min(4_096)
      .max(2 ** 31 - 1)
      .default(8_294_528)
      .meta({
        flag: '--shm-size BYTES',
        description: 'size of the segment, its header included',
        unit: 'bytes',
        needs: 'shm',
      }),
    shmMode: z.int().min(0).max(0o777).default(0o600).meta({
      flag: '--shm-mode MODE',
      description: 'permissions of everything in shared memory that has a name given here',
      unit: 'octal',
    }),
    ring: text.optional().meta({
      flag: '--ring NAME',
      description: 'every frame in a ring, for any number of readers',
      common: true,
    }),
    ringSlots: z.int().min(4).max(1_024).default(16).meta({
      flag: '--ring-slots N',
      description: 'frames that the ring keeps',
      needs: 'ring',
    }),
    ringSlotSize: z
      .int()
      .min(1_024)
      .max(2 ** 26)
      .default(524_288)
      .meta({
        flag: '--ring-slot-size BYTES',
        description: 'largest frame that the ring takes',
        unit: 'bytes',
        needs: 'ring',
      }),
    arrays: text.optional().meta({
      flag: '--arrays BASE',
      description: 'decoded frames as the array BASE_image_shm with a semaphore',
      common: true,
    }),
    takeOver: z.boolean().default(false).meta({
      flag: '--take-over',
      description: "take the place of another program's arrays, whatever their state",
      needs: 'arrays',
    }),
  }),
  ...algorithmShape,
  virtual,
});

/** Complete options, defaults filled in. */
export type BridgeOptions = z.infer<typeof bridgeOptionsSchema>;

/** The options of its camera. */
export function cameraPart(options: BridgeOptions): CameraOptions {
  const { port, baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes, speed, virtual: device } = options;
  return { port, baudrate, ack, maxPayload, crc, cameraId, maxFrameBytes, speed, virtual: device };
}
