/** The road of each frame: sinks, subscribers, and the room for the next one. */
import { Frame, type FrameFields, type PulledFrame } from '../frames/index.js';
import type { FrameSinks } from './sinks.js';
import type { StatsMeter } from './stats-meter.js';
import type { Streams } from './streams.js';

export class FrameRoad {
  readonly meter: StatsMeter;
  readonly #sinks: FrameSinks;
  readonly #streams: Streams;
  #room: Promise<void> | undefined;
  #held: Promise<unknown>[] = [];

  constructor(sinks: FrameSinks, streams: Streams, meter: StatsMeter) {
    this.meter = meter;
    this.#sinks = sinks;
    this.#streams = streams;
  }

  /** Settles when sinks and subscribers have room for another frame; undefined: they have. */
  get room(): Promise<void> | undefined {
    return this.#room;
  }

  /** From a subscriber, while it is given a frame: there is no room for another one until `room` settles. */
  hold(room: Promise<unknown>): void {
    this.#held.push(room);
  }

  /** Numbers a frame, gives it to the sinks, and announces it when those that come first have it. */
  deliver(pulled: PulledFrame, runId: string, cameraId: string): void {
    const {
      jpeg,
      width,
      height,
      timestampMs,
      capturedAtMs,
      capturedErrorMs,
      data,
      captureNumber,
      triggerId,
    } = pulled;
    // By name: a spread costs ten times the memory, for every frame.
    const frame = new Frame({
      runId,
      cameraId,
      sequence: this.meter.delivered + 1,
      width,
      height,
      jpeg,
      timestampMs,
      capturedAtMs,
      capturedErrorMs,
      data,
      captureNumber,
      triggerId,
    } satisfies Required<FrameFields>);
    this.meter.frame(frame);
    const { placed, room } = this.#sinks.write(frame);
    const announced = placed ? placed.then(() => this.#announce(frame)) : this.#announce(frame);
    if (!room && !announced) return;
    const pending = Promise.all([room, announced]).then(() => {
      if (this.#room === pending) this.#room = undefined;
    });
    this.#room = pending;
  }

  #announce(frame: Frame): Promise<unknown> | undefined {
    this.#streams.frame(frame);
    return this.#held.length > 0 ? Promise.allSettled(this.#held.splice(0)) : undefined;
  }
}
