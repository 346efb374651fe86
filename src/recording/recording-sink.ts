/** A bridge's sink that records its frames, all of them or those around moments. */
import type { AttachedSink, Sink } from '../bridge/index.js';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { Around } from './around.js';
import { frameMessage, type Message } from './messages.js';
import type { Recording } from './recording.js';

type Told = Parameters<AttachedSink>[0];

export class RecordingSink {
  readonly #recording: Recording;
  readonly #around: Around | undefined;
  #told: Told | undefined;

  /** `aroundMs`: before and behind each moment; undefined: everything is recorded. */
  constructor(recording: Recording, aroundMs: number | undefined) {
    this.#recording = recording;
    this.#around =
      aroundMs === undefined ? undefined : new Around(aroundMs, (message) => this.#keep(message));
  }

  /** The sink of its frames; `closed` is called when the bridge takes it away. */
  opened(told: Told, closed: () => Promise<void>): Sink {
    const recording = this.#recording;
    this.#told = told;
    return {
      get active() {
        return !recording.over;
      },
      write: (frame: Frame) => {
        const message = frameMessage(frame);
        if (this.#around) {
          // It counts when it is kept.
          this.#around.take(message);
          return false;
        }
        if (!recording.push(message)) throw this.#tooSlow;
      },
      close: closed,
    };
  }

  /** What belongs to frames, and is recorded with them. */
  take(message: Message): void {
    if (this.#around) this.#around.take(message);
    else this.#recording.push(message);
  }

  /** What is around this moment is recorded. */
  moment(ns: bigint): void {
    this.#around?.moment(ns);
  }

  #keep(message: Message): void {
    const kept = this.#recording.push(message);
    if (message.kind === 'frame')
      this.#told?.follow(kept ? Promise.resolve() : Promise.reject(this.#tooSlow));
  }

  get #tooSlow(): BridgeError {
    const { path } = this.#recording;
    return new BridgeError(
      'FILE_FAILED',
      `Frames are missing in the recording ${path}: the disk is too slow, or does not answer. The camera goes on. Record to a faster disk.`,
      { context: { path } },
    );
  }
}
