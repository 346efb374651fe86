import type { BridgeError } from '../errors.js';

/** One frame as a store takes it. */
export interface StoredFrame {
  /** The JPEG, whole. It is copied during the call. */
  readonly jpeg: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** When the picture was taken, as far as that is known: Unix time in milliseconds; fractions are kept. */
  readonly timestampMs: number;
  /** Counts the delivered frames of a camera from 1. */
  readonly sequence: number;
}

/** A place in shared memory that the bridge puts every delivered frame into. */
export interface FrameStore {
  /** The name other programs open it by. */
  readonly name: string;
  /**
   * Publishes one frame, synchronously. Throws a `BridgeError` when the frame does not fit (`SHM_TOO_SMALL`) or its
   * values are out of range (`OPTION_INVALID`); what was published before stays as it was.
   */
  write(frame: StoredFrame): void;
  /** `SHM_FAILED`: another program removed its name, or took it, so that no reader finds it. Undefined: it is there. */
  lost(): BridgeError | undefined;
  /** Takes the store away. Idempotent. */
  close(): void;
}
