/** What a bridge says of itself at a broker, again and again: who hears nothing any more knows that it has gone. */
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

/** The status of a bridge now; `offline` when it ends. */
export function cameraStatus(bridge: Bridge, site: string, status: CameraStatus['status']): CameraStatus {
  const { cameraId, runId, state } = bridge;
  return {
    type: 'status',
    timestampMs: Date.now(),
    ...{ status, site, cameraId, runId, version: packageVersion(), state, intervalMs: STATUS_MS },
  };
}
