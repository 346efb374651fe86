/** The source for recordings of frames: gives them again, at the distances at which they came, or as fast as there is room. */
import { setImmediate as turn } from 'node:timers/promises';
import { abortable, pause } from '../async.js';
import type { Camera } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import type { Source, SourceHandlers } from '../frames/index.js';
import type { FrameReplay, Replay, ReplayedFrame } from '../replay/index.js';

/** A frame that is later than this was held up. */
const BEHIND_MS = 100;

interface Given {
  readonly recordedMs: number;
  readonly dueMs: number;
}

export class RecordedSource implements Source {
  readonly repairs = 0;
  readonly #replay: Replay | undefined;
  readonly #handlers: SourceHandlers;
  /** Read, and not given yet: frames were stopped while it was waited for. */
  #next: ReplayedFrame | undefined;
  /** What is added to recorded times: the first frame of the run is complete when it is given. */
  #shiftMs: number | undefined;

  constructor(replay: Replay | undefined, handlers: SourceHandlers) {
    this.#replay = replay;
    this.#handlers = handlers;
  }

  /** Ends in PORT_CLOSED when all frames were given: the camera's line says why it is over. */
  async run(_camera: Camera, signal: AbortSignal): Promise<void> {
    const frames = this.#replay?.frames;
    if (!frames) throw new BridgeError('INTERNAL', 'There is no recording of frames.');
    /** Of the frame before: its recorded time, and when it was due. */
    let last: Given | undefined;
    while (!signal.aborted) {
      this.#next ??= await frames.next();
      const frame = this.#next;
      if (!frame) {
        frames.end();
        throw new BridgeError('PORT_CLOSED', 'All frames of the recording were given.');
      }
      try {
        await abortable(Promise.resolve(this.#handlers.ready?.(signal)), signal);
        last = await due(frame, frames, last, signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      this.#next = undefined;
      this.#handlers.frame(this.#shifted(frame));
    }
  }

  /** With the times of this run, at the recorded distances. */
  #shifted({ timestampMs, capturedAtMs, ...frame }: ReplayedFrame): Parameters<SourceHandlers['frame']>[0] {
    this.#shiftMs ??= Date.now() - timestampMs;
    const shift = this.#shiftMs;
    return {
      ...frame,
      timestampMs: timestampMs + shift,
      capturedAtMs: capturedAtMs === undefined ? undefined : capturedAtMs + shift,
      captureNumber: undefined,
    };
  }
}

/** Waits until it is time for a frame. One that was held up is not caught up with: the next one keeps its distance to it. */
async function due(
  { timestampMs: recordedMs }: ReplayedFrame,
  { speed }: FrameReplay,
  last: Given | undefined,
  signal: AbortSignal,
): Promise<Given> {
  if (speed === 'max' || !last) {
    // All else that waits for its turn comes in between.
    await turn();
    return { recordedMs, dueMs: performance.now() };
  }
  const now = performance.now();
  const dueMs = last.dueMs + Math.max(0, recordedMs - last.recordedMs) / speed;
  if (dueMs > now) await pause(dueMs - now, signal);
  return { recordedMs, dueMs: now - dueMs > BEHIND_MS ? now : dueMs };
}
