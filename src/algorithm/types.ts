/** What an algorithm gets and what it gives back. */

/** A rectangle in pixels of the frame, from its upper left corner. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly label?: string;
  /** 0 to 1, by custom. */
  readonly score?: number;
}

/** Decoded pixels, row by row from the upper left, interleaved. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Bytes of a pixel: 3 (red, green, blue) or 1 (grey). */
  readonly channels: 1 | 3;
}

/** An image of a call. Its file is there until the call is answered. */
export interface Picture {
  readonly id: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** When the sensor had it, where the camera's script tells; else when it came to the host. Unix milliseconds. */
  readonly timestampMs: number;
  readonly cameraId: string;
  /** What the camera's script attached to it with `frame.tag`; undefined: nothing. Check its form before you use it. */
  readonly data: unknown;
  /** The JPEG as the camera made it. Throws `AlgorithmError` 1002 when it is missing or not whole. */
  jpeg(): Buffer;
  /**
   * The image decoded, by default to RGB. Rejects with `AlgorithmError` 1002 when it cannot be, or has another size
   * than was announced: there must be no verdict about such an image.
   */
  pixels(kind?: 'rgb' | 'grey'): Promise<Pixels>;
}

/** What a call says. */
export interface Call {
  readonly requestId: string;
  /** From 1. */
  readonly stepIndex: number;
  readonly stepDesc: string;
  readonly guideInfo: readonly unknown[];
  readonly pid: string;
  readonly userParams: Readonly<Record<string, unknown>>;
  readonly session: { readonly id: string; readonly context: Readonly<Record<string, unknown>> };
  /** The camera's frame. */
  readonly image: Picture;
  /** The step's reference image; the frame itself when there is none. */
  readonly reference: Picture;
  /** The call's fields as they came. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** The verdict about one image. */
export interface Inspection {
  readonly resultStatus: 'OK' | 'NG';
  /** Why it is NG. */
  readonly ngReason?: string;
  /** At most 20. */
  readonly defectRects?: readonly Rect[];
  readonly positionRects?: readonly Rect[];
  readonly calibrationRects?: readonly Rect[];
  /** Plain data of your own; comes back in the result. */
  readonly debug?: Readonly<Record<string, unknown>>;
  readonly message?: string;
}

/** What `preExecute` finds, once a session. */
export interface Preparation {
  readonly calibrationRects?: readonly Rect[];
  readonly message?: string;
}

export interface AlgorithmDefinition {
  /** Said in the hello; default: "openmv-bridge". */
  readonly version?: string;
  /** What the algorithm says of itself to a host that asks, beside its version: such as `supported_pids`, `steps`. */
  readonly info?: Readonly<Record<string, unknown>>;
  /** Before the first call: load models here. The adapter is ready when it is done. */
  setup?(): void | Promise<void>;
  /** Once a session, before its first `execute`. */
  preExecute?(call: Call): Preparation | undefined | Promise<Preparation | undefined>;
  /** Once for each frame. What it throws fails the call, never the adapter. */
  execute(call: Call): Inspection | Promise<Inspection>;
  /** At the end, also when the host is gone. */
  teardown?(): void | Promise<void>;
}

/** A failure with one of the protocol's codes, such as 1001 (product id not supported). There is no verdict then. */
export class AlgorithmError extends Error {
  override readonly name = 'AlgorithmError';
  readonly code: string;

  constructor(code: string | number, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = String(code);
  }
}
