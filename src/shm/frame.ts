/** What readers of every layout say of a frame. */

export interface SharedFrame {
  /** The frame's bytes: a copy, which stays as it is; in a lease the ring's own, see `RingLease`. */
  readonly data: Uint8Array;
  /** `data` when it is one whole JPEG (format `MJPG`, which is what the bridge writes by default). */
  readonly jpeg: Uint8Array | undefined;
  /** Pixels; of an array, its second and first dimension. */
  readonly width: number;
  readonly height: number;
  /** Like `MJPG`, `RGB3`; of an array, its dtype. */
  readonly format: string;
  /** Unix time, when the writer keeps to the convention; 0 when it has none. */
  readonly timestampNs: bigint;
  /** The producer's count, different for every frame; 0 in arrays of other programs. */
  readonly sequence: number;
}

/** A frame as one in a row of them. */
export interface CountedFrame extends SharedFrame {
  /** Frames between the one before and this one that this reader did not get. */
  readonly missed: number;
}

/** The name of a format, out of a field that is padded with NULs. */
export function formatName(field: Uint8Array): string {
  const end = field.indexOf(0);
  return String.fromCharCode(...field.subarray(0, end < 0 ? field.length : end));
}
