/** What callers write: the options, with units and defaults. Written by `npm run docs` from the schemas. */

/** Options of `connectCamera`. */
export interface CameraInput {
  /** The camera: a device path, serial:NUMBER, virtual, replay:FILE, or auto for the only one there is. Default: "auto". */
  port?: string | undefined;
  /** The camera's name in events and file names; default: its unique id. */
  cameraId?: string | undefined;
  /** How much faster than it was recorded, or max: as fast as frames are taken; with --port replay:FILE. Default: 1. */
  speed?: 'max' | number | undefined;
  /** Serial speed; 921600 selects the protocol on USB cameras. Default: 921600. */
  baudrate?: number | undefined;
  /** Acknowledge every packet; auto: not on USB and virtual lines. Default: "auto". */
  ack?: 'auto' | 'on' | 'off' | undefined;
  /** Largest packet payload; the camera's own limit applies as well. Bytes. Default: 16384. */
  maxPayload?: number | undefined;
  /** False: do without checksums, on a line that is known to be good. Default: true. */
  crc?: boolean | undefined;
  /** Largest frame that is believed. Bytes. Default: 16777216. */
  maxFrameBytes?: number | undefined;
  virtual?:
    | {
        /** Its main.py; default: the bundled frame_channel.py. */
        script?: string | null | undefined;
        /** Images that it sees, in the order of their names; default: a test scene. */
        images?: string | undefined;
        /** Frames per second (fps), or max; default: the script's rate, else 30. */
        fps?: 'max' | number | undefined;
        /** Time that making a JPEG takes, in which the camera answers nothing; default: 0. Milliseconds. */
        compressMs?: number | undefined;
        /** A pulse on each pin that its script watches, so often; default: none. Milliseconds. */
        pulseMs?: number | undefined;
        /** Number that tells virtual cameras apart; default: 1, and one more for each further one. */
        id?: number | undefined;
        /** Faults of its line: 2%, or drop=1%,stall=0.1%,seed=7, or replay:FILE with a fault log. */
        faults?: string | undefined;
        /** Write a JSON line for each fault that it injects. */
        faultLog?: string | undefined;
        /** Write a JSON line for each capture. */
        ledger?: string | undefined;
        [key: string]: unknown;
      }
    | undefined;
}

/** Options of `createBridge` and `openBridge`. */
export interface BridgeInput extends CameraInput {
  /** Run this script on the camera first; default: frame_channel.py where the channel is missing. */
  script?: string | false | undefined;
  /** The script's frame channel. Default: "frame". */
  channel?: string | undefined;
  /** Where frames come from: the script's channel, or the firmware's preview; default: what the script has. */
  source?: 'frame' | 'preview' | undefined;
  /** A frame that waited at the camera before the connection: drop or deliver it. Default: "drop". */
  stale?: 'drop' | 'deliver' | undefined;
  /** Previews as pixels, larger pictures made smaller to fit; default: JPEGs that the camera makes. */
  previewRaw?: string | undefined;
  /** Pictures all the time, when a client or program asks for one, or on an edge of a pin. Default: "free". */
  trigger?: 'free' | 'host' | 'pin' | undefined;
  /** The pin, by its name on the board. Default: "P7". */
  triggerPin?: string | undefined;
  /** Which edge of the pin; the pin is pulled to the other level. Default: "rising". */
  triggerEdge?: 'rising' | 'falling' | undefined;
  /** Whether to wait for a camera that has gone: on, off, or how many attempts in a row may fail. Default: true. */
  reconnect?: boolean | number | undefined;
  /** Wait for a camera that is not there at the start, without counting that for --duration. Default: false. */
  wait?: boolean | undefined;
  /** False: pull no frames until start_stream is asked for. Default: true. */
  streaming?: boolean | undefined;
  /** Stop after that many delivered frames. */
  frames?: number | undefined;
  /** Stop after that time. Milliseconds. */
  durationMs?: number | undefined;
  /** Give every frame to this GStreamer pipeline; {camera} in it is the camera's id. */
  pipeline?: string | undefined;
  /** A busy pipeline loses frames, or the sensor waits for it. Default: "latest". */
  pipelineDelivery?: 'latest' | 'every' | undefined;
  /** How long a pipeline may take to finish what it writes; then it is ended. Milliseconds. Default: 30000. */
  pipelineFinishTimeoutMs?: number | undefined;
  /** Write frames to files there, CAMERA-SEQUENCE.jpg. */
  save?: string | undefined;
  /** Which frames: all, every:N for each Nth, or those with an outcome: ng, failed, or ng,failed. Default: "all". */
  saveWhen?: string | undefined;
  /** Room for a folder's saved frames, also of earlier runs; the oldest are removed. Bytes. */
  saveMaxBytes?: number | undefined;
  /** Saved frames, also of earlier runs, are removed after that time. Milliseconds. */
  saveMaxAgeMs?: number | undefined;
  /** Room on the disk that stays free; the oldest saved frames are removed. Bytes. */
  saveMinFree?: number | undefined;
  /** A frame that cannot be saved is lost and counted, or ends the run. Default: "skip". */
  saveFull?: 'skip' | 'stop' | undefined;
  /** False: no shared-memory segment. Default: true. */
  shm?: boolean | undefined;
  /** Name of the segment with the newest frame. Default: "/openmv_frame". */
  shmName?: string | undefined;
  /** What the segment holds: the JPEG as it came, or decoded pixels. Default: "mjpg". */
  shmFormat?: 'mjpg' | 'rgb3' | 'bgr3' | 'grey' | 'rgba' | undefined;
  /** Size of the segment, its header included. Bytes. Default: 8294528. */
  shmSize?: number | undefined;
  /** Permissions of everything in shared memory that has a name given here. Permission bits. Default: 384. */
  shmMode?: number | undefined;
  /** Every frame in a ring, for any number of readers. */
  ring?: string | undefined;
  /** Frames that the ring keeps. Default: 16. */
  ringSlots?: number | undefined;
  /** Largest frame that the ring takes. Bytes. Default: 524288. */
  ringSlotSize?: number | undefined;
  /** Decoded frames as the array BASE_image_shm with a semaphore. */
  arrays?: string | undefined;
  /** Take the place of another program's arrays, whatever their state. Default: false. */
  takeOver?: boolean | undefined;
  /** The command that runs the algorithm, or give it behind --; nats: for workers elsewhere. */
  runner?: string | string[] | undefined;
  /** Adapters that work at the same time. Default: 1. */
  workers?: number | undefined;
  /** A busy algorithm skips to the newest frame, or the sensor waits for it. Default: "latest". */
  delivery?: 'latest' | 'every' | undefined;
  /** Results of several workers in the order of their frames, or as they come. Default: "ordered". */
  results?: 'ordered' | 'unordered' | undefined;
  /** Longest call; then the adapter is restarted. Milliseconds. Default: 30000. */
  callTimeoutMs?: number | undefined;
  /** Longest first call of a session, the protocol's pre_execute. Milliseconds. Default: 10000. */
  preTimeoutMs?: number | undefined;
  /** Longest wait for the first answer of the adapter, which may load models for minutes. Milliseconds. Default: 120000. */
  startupTimeoutMs?: number | undefined;
  /** When an algorithm that has pre_execute gets such a call. Default: "session". */
  preExecute?: 'session' | 'frame' | 'never' | undefined;
  /** Largest result; a larger one fails its call. Bytes. Default: 16777216. */
  maxResultBytes?: number | undefined;
  /** Write every frame with a result, its verdict and rectangles drawn. */
  saveAnnotated?: string | undefined;
  /** The step's reference image: a file, or previous-ok for the last frame that was OK; default: the frame itself. */
  reference?: string | undefined;
  /** How calls are written; auto goes by the hello of the adapter. Default: "auto". */
  dialect?: 'auto' | 'execute' | 'phased' | 'flat' | 'method' | undefined;
  /** The algorithm's working directory, where its manifest.json is; default: this one. */
  runnerCwd?: string | undefined;
  /** What the adapter loads (PROC_ENTRY_POINT). */
  entryPoint?: string | undefined;
  /** SDK adapters fail a call that prints to stdout, at 20 ms a call (PROC_STRICT_STDIO). Default: false. */
  strictStdio?: boolean | undefined;
  /** Least important line that the algorithm logs (PROC_LOG_LEVEL). Default: "info". */
  algorithmLogLevel?: 'debug' | 'info' | 'warn' | 'error' | undefined;
  /** Image files for the algorithm; default: a private directory under /dev/shm. */
  imageDir?: string | undefined;
  supervision?:
    | {
        /** Between two pings of an idle adapter (the protocol's own figure). Milliseconds. Default: 5000. */
        heartbeatIntervalMs?: number | undefined;
        /** From a ping to its pong (the protocol's own figure). Milliseconds. Default: 2000. */
        heartbeatGraceMs?: number | undefined;
        /** Pings without an answer in a row that are taken for a hang (the protocol's own figure). Default: 2. */
        heartbeatMisses?: number | undefined;
        /** Crashes within a minute after which it is not started again. Default: 5. */
        crashLimit?: number | undefined;
        /** The time in which that many crashes end the attempts. Milliseconds. Default: 60000. */
        crashWindowMs?: number | undefined;
        /** Wait before the first restart; doubles with every crash. Milliseconds. Default: 100. */
        backoffMinMs?: number | undefined;
        /** Longest wait before a restart. Milliseconds. Default: 5000. */
        backoffMaxMs?: number | undefined;
        /** Longest wait for calls under way when it is stopped; then they are cut short. Milliseconds. Default: 60000. */
        stopMs?: number | undefined;
        /** From the shutdown message to SIGTERM. Milliseconds. Default: 10000. */
        shutdownMs?: number | undefined;
        /** From SIGTERM to SIGKILL when it is ended. Milliseconds. Default: 3000. */
        killMs?: number | undefined;
      }
    | undefined;
  /** Product id of every call. Default: "". */
  pid?: string | undefined;
  /** Step of every call, counted from 1. Default: 1. */
  stepIndex?: number | undefined;
  /** Description of the step. Default: "". */
  stepDesc?: string | undefined;
  /** Where the parts are expected: JSON, or @FILE. */
  guideInfo?:
    | {
        label: string;
        posList: {
          x: number;
          y: number;
          width: number;
          height: number;
          label?: string | undefined;
          score?: number | undefined;
          [key: string]: unknown;
        }[];
        [key: string]: unknown;
      }[]
    | undefined;
  /** The algorithm's own parameters: JSON, or @FILE. */
  userParams?: Record<string, unknown> | undefined;
  /** Name of the session; default: a new UUID. */
  sessionId?: string | undefined;
  /** Product code in the session's context. */
  productCode?: string | undefined;
  /** Trace id in the session's context; default: a new UUID. */
  traceId?: string | undefined;
}
