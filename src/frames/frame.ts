/** A frame as it is delivered. */
import { crc32 } from 'crc';

export interface FrameFields {
  /** Of the run of the bridge that delivered it: (runId, cameraId, sequence) names a frame for ever. */
  readonly runId: string;
  readonly cameraId: string;
  /** Counts delivered frames of a camera from 1, without gaps. */
  readonly sequence: number;
  /** Pixels, from the JPEG's own header. */
  readonly width: number;
  readonly height: number;
  /** The JPEG, byte for byte as captured. Its memory belongs to this frame alone and is never reused. */
  readonly jpeg: Uint8Array;
  /**
   * Unix milliseconds, to the microsecond, at which the frame was complete on the host. The picture is older: see
   * `capturedAtMs`.
   */
  readonly timestampMs: number;
  /**
   * Unix milliseconds at which the sensor had the picture, known to `capturedErrorMs`. undefined: the camera's script does
   * not tell; the bundled one does.
   */
  readonly capturedAtMs?: number | undefined;
  /** Milliseconds by which `capturedAtMs` is wrong at most. */
  readonly capturedErrorMs?: number | undefined;
  /**
   * What the camera's script attached to exactly this frame with `frame.tag`, as parsed JSON of at most 1 KB; undefined:
   * nothing. It comes from outside: check its form before you use it.
   */
  readonly data?: unknown;
  /** The camera's own capture number, when its script gives one. */
  readonly captureNumber: number | undefined;
  /**
   * Number of the trigger that it was captured for, 1 to 65,535 and then 1 again: what `Bridge.trigger` gave, or which edge of the
   * pin it was since the camera began to count. undefined: it was captured without one.
   */
  readonly triggerId?: number | undefined;
}

export class Frame implements FrameFields {
  readonly runId: string;
  readonly cameraId: string;
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly jpeg: Uint8Array;
  readonly timestampMs: number;
  readonly capturedAtMs: number | undefined;
  readonly capturedErrorMs: number | undefined;
  readonly data: unknown;
  readonly captureNumber: number | undefined;
  readonly triggerId: number | undefined;
  #sharedMemId: string | null = null;
  #file: string | null = null;
  #crc32: string | undefined;

  constructor(fields: FrameFields) {
    this.runId = fields.runId;
    this.cameraId = fields.cameraId;
    this.sequence = fields.sequence;
    this.width = fields.width;
    this.height = fields.height;
    this.jpeg = fields.jpeg;
    this.timestampMs = fields.timestampMs;
    this.capturedAtMs = fields.capturedAtMs;
    this.capturedErrorMs = fields.capturedErrorMs;
    this.data = fields.data;
    this.captureNumber = fields.captureNumber;
    this.triggerId = fields.triggerId;
  }

  /** When the picture was taken: `capturedAtMs`, or `timestampMs` where that is not known. What stores and files carry. */
  get takenAtMs(): number {
    return this.capturedAtMs ?? this.timestampMs;
  }

  /**
   * Where other programs find it: the id of its image file when an algorithm is attached, else the name of the
   * shared memory that it was put into first; null when it is in neither.
   */
  get sharedMemId(): string | null {
    return this.#sharedMemId;
  }

  /** Path of the file that it was saved to; null when it was not. */
  get file(): string | null {
    return this.#file;
  }

  /** For sinks, when the frame can be found under the name. An image file's id replaces the name of a segment. */
  placed(id: string | undefined, kind: 'segment' | 'image' = 'segment'): void {
    if (id !== undefined && (kind === 'image' || this.#sharedMemId === null)) this.#sharedMemId = id;
  }

  /** For sinks, when the frame's file is complete. */
  saved(path: string): void {
    this.#file = path;
  }

  /** Bytes of the JPEG. */
  get bytes(): number {
    return this.jpeg.length;
  }

  /** IEEE CRC-32 of the JPEG (as zlib's), 8 hexadecimal digits; computed when first asked for. */
  get crc32(): string {
    this.#crc32 ??= (crc32(Buffer.from(this.jpeg.buffer, this.jpeg.byteOffset, this.jpeg.length)) >>> 0)
      .toString(16)
      .padStart(8, '0');
    return this.#crc32;
  }
}
