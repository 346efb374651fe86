/** The outcome of a frame, from what a call about it gave. */
import type { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { type CallResult, failedCall } from '../runner/index.js';
import type { FrameResult } from './events.js';

/** The id of a frame's image file. */
export const imageIdOf = ({ cameraId, sequence }: Frame): string =>
  `${cameraId}-${String(sequence).padStart(8, '0')}`;

/** The outcome of a frame whose image file could not be written: no adapter saw it. */
export function unplacedResult(frame: Frame, error: BridgeError): FrameResult {
  const imageId = imageIdOf(frame);
  const latency = { queueMs: 0, transferMs: 0, computeMs: 0 };
  return resultOf(frame, failedCall(imageId, error, 0), { imageId, worker: 0, latency });
}

/** What a call about a frame gave, as it is told. */
export function resultOf(
  { runId, cameraId, sequence, timestampMs }: Frame,
  result: CallResult,
  where: Pick<FrameResult, 'imageId' | 'worker' | 'latency'>,
): FrameResult {
  return { ...result, runId, cameraId, sequence, timestampMs, ...where };
}
