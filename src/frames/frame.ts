/** A frame as it is delivered. */
import { crc32 } from 'crc';

export interface FrameFields {
  readonly cameraId: string;
  /** Counts delivered frames of a camera from 1, without gaps. */
  readonly sequence: number;
  /** Pixels, from the JPEG's own header. */
  readonly width: number;
  readonly height: number;
  /** The JPEG, byte for byte as captured. Its memory belongs to this frame alone and is never reused. */
  readonly jpeg: Uint8Array;
  /**
   * Unix milliseconds at which the frame was complete on the host. The camera has no clock of the day: the picture is
   * older by the time for which it waited latched, which is long only when its consumer keeps the next one waiting.
   */
  readonly timestampMs: number;
  /** The camera's own capture number, when its script gives one. */
  readonly captureNumber: number | undefined;
}

export class Frame implements FrameFields {
  readonly cameraId: string;
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly jpeg: Uint8Array;
  readonly timestampMs: number;
  readonly captureNumber: number | undefined;
  /**
   * Where other programs find it: the id of its image file when an algorithm is attached, else the name of the
   * shared-memory segment; null when it is in neither.
   */
  readonly sharedMemId: string | null;
  #crc32: string | undefined;

  constructor(fields: FrameFields, sharedMemId: string | null) {
    this.cameraId = fields.cameraId;
    this.sequence = fields.sequence;
    this.width = fields.width;
    this.height = fields.height;
    this.jpeg = fields.jpeg;
    this.timestampMs = fields.timestampMs;
    this.captureNumber = fields.captureNumber;
    this.sharedMemId = sharedMemId;
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
