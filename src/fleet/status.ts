/** What a bridge says of itself at a broker: that it is there, again and again, and what it could not say. */
import type { Bridge } from '../bridge/index.js';
import { packageVersion } from '../package.js';

/** From one status to the next. A bridge that was silent for three of these has gone. */
export const STATUS_MS = 2_000;

export interface CameraStatus {
  readonly type: 'status';
  readonly timestampMs: number;
  readonly status: 'online' | 'offline';
  readonly site: string;
  readonly cameraId: string;
  readonly runId: string;
  readonly version: string;
  /** Where the connection to the camera is in its life: streaming, paused, reconnecting ... */
  readonly state: string;
  /** Milliseconds from one status to the next. */
  readonly intervalMs: number;
}

/** Tells readers, before the next message, that `count` results and events before it are missing. */
export const lostLine = (cameraId: string, count: number) =>
  ({ type: 'lost', timestampMs: Date.now(), cameraId, count }) as const;

/** The status of a bridge now; `offline` when it ends. */
export function cameraStatus(bridge: Bridge, site: string, status: CameraStatus['status']): CameraStatus {
  const { cameraId, runId, state } = bridge;
  return {
    type: 'status',
    timestampMs: Date.now(),
    ...{ status, site, cameraId, runId, version: packageVersion(), state, intervalMs: STATUS_MS },
  };
}
