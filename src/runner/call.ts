/** What a call is asked with, and the counters of calls. */
import type { ImageReference } from '../adapter/index.js';
import { BridgeError } from '../errors.js';
import type { StrayCounts } from './recent-calls.js';

/** The frame of a call, for adapters that cannot read this machine's image files. */
export interface CallPicture {
  readonly runId: string;
  readonly cameraId: string;
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly jpeg: Uint8Array;
  readonly timestampMs: number;
  readonly capturedAtMs: number | undefined;
  readonly captureNumber: number | undefined;
  readonly data?: unknown;
  readonly crc32: string;
}

/** One image to inspect. */
export interface CallRequest {
  readonly image: ImageReference;
  /** Needed by a pool on other machines only. */
  readonly picture?: CallPicture;
  /** The step's reference image; default: the frame. */
  readonly reference?: ImageReference;
  /** Called exactly once, when the call has its result: the adapter does not need the image's file any more. */
  release?(): void;
}

export interface CallStats extends StrayCounts {
  /** Calls submitted. */
  calls: number;
  ok: number;
  ng: number;
  /** Calls that ended without a verdict, for any reason. */
  failed: number;
  /** Calls that took too long, each time that one did. */
  timeouts: number;
  /** Calls that were tried once more. */
  retries: number;
}

/** FRAME_CORRUPT: a picture that no adapter could find or open by what its call says; undefined: there is none. */
export function unusablePicture({ image, reference }: CallRequest): BridgeError | undefined {
  for (const { id, width, height } of reference === undefined ? [image] : [image, reference]) {
    if (id !== '' && Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0) continue;
    const message = `The image "${id}" of ${width}x${height} pixels cannot be given to an algorithm: it needs an id and a size.`;
    return new BridgeError('FRAME_CORRUPT', message, { context: { id, width, height } });
  }
  return undefined;
}
