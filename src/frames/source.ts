/** Where frames come from: the interface that each pull strategy implements. */
import type { Camera } from '../camera/index.js';
import type { BridgeError } from '../errors.js';

/** A frame as it comes from the camera, before it has a sequence number. */
export interface PulledFrame {
  readonly jpeg: Uint8Array;
  /** Pixels, from the JPEG's own header. */
  readonly width: number;
  readonly height: number;
  /** Unix milliseconds at which the frame was complete on the host. It may have waited latched before. */
  readonly timestampMs: number;
  /** The camera's own number of the capture, when its script gives one. */
  readonly captureNumber: number | undefined;
  /** Unix milliseconds at which the sensor had the picture, when its script tells; wrong by at most `capturedErrorMs`. */
  readonly capturedAtMs: number | undefined;
  readonly capturedErrorMs: number | undefined;
  /** Number of the trigger that it was captured for, 1 to 65,535; undefined: none. */
  readonly triggerId?: number | undefined;
  /** What the camera's script attached to it; undefined: nothing. */
  readonly data?: unknown;
}

/**
 * Why a captured frame is not delivered. `corrupt`: not a JPEG from SOI to EOI; `too_large`: beyond the limit;
 * `unreadable`: the line let none of it through; `skipped`: the camera's numbers show captures that this host never got,
 * as when another host read them or the script restarted; `stale`: it waited at the camera while no host was connected;
 * `repeated`: byte for byte the frame before it, whose release is in doubt, and the script gives no number to tell a new
 * capture from the same one; `replaced`: a preview in whose place the camera put a newer one before it was read, told at most
 * once a second; `missed`: a trigger without a frame, because too many waited or the camera had gone.
 */
export type DropReason =
  | 'corrupt'
  | 'too_large'
  | 'unreadable'
  | 'skipped'
  | 'stale'
  | 'repeated'
  | 'replaced'
  | 'missed';

export interface SourceHandlers {
  /** A frame. Called again only after `ready` has resolved. */
  frame(frame: PulledFrame): void;
  dropped(reason: DropReason, count: number): void;
  /** Something is wrong that does not keep frames from coming. */
  failed?(error: BridgeError): void;
  /** Pending while the consumers have no room: the camera keeps the next frame latched. Undefined: there is room. */
  ready?(signal: AbortSignal): Promise<unknown> | undefined;
}

/** Gives frames of a camera. What was delivered is remembered over calls of `run`. */
export interface Source {
  /** Ranges of frames that were damaged on the way and read again. */
  readonly repairs: number;
  /** Frames that were delivered without what the script attached to them, because it is no JSON of at most 1 KB. */
  readonly damagedData?: number;
  /**
   * Gives frames until `signal` is aborted; the frame under way is still delivered, unless the camera is closed. Resolves
   * when aborted, or when the camera's interpreter has restarted; rejects with CHANNEL_MISSING (also when the script has
   * ended), PORT_CLOSED or CAMERA_* when it cannot go on.
   */
  run(camera: Camera, signal: AbortSignal): Promise<void>;
}
