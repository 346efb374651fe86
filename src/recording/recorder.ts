/** Records bridges: the sink of their frames, and the subscriber of all else that they tell. */
import type { Bridge, Sink } from '../bridge/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import {
  eventMessages,
  frameLineMessage,
  frameMessage,
  type Message,
  outcomeMessages,
  statsMessage,
} from './messages.js';
import { Recording } from './recording.js';
import { moveEarlier } from './recording-file.js';
import { WireTap } from './wire-tap.js';

export interface RecorderOptions {
  readonly path: string;
  /** The bytes between host and camera as well. */
  readonly wire?: boolean;
  readonly runId: string;
}

export class Recorder {
  /** Where an earlier recording of that name was moved to; undefined: there was none. */
  readonly earlier: string | undefined;
  readonly #recording: Recording;
  readonly #wire: boolean;
  /** How each bridge is told that the recording has ended. */
  readonly #failed = new Set<(error: BridgeError) => void>();
  #failure: BridgeError | undefined;
  #closing: Promise<BridgeError | undefined> | undefined;

  private constructor(options: RecorderOptions, recording: Recording, earlier: string | undefined) {
    this.#recording = recording;
    this.#wire = options.wire ?? false;
    this.earlier = earlier;
    void recording.failed.then((error) => error && this.#fail(error));
  }

  /** FILE_FAILED. */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const earlier = await moveEarlier(options.path);
    const recording = await Recording.open(options.path, new Map([['runId', options.runId]]));
    return new Recorder(options, recording, earlier);
  }

  /** The file that is written now. */
  get path(): string {
    return this.#recording.path;
  }

  /** Why the recording has ended before its time; undefined: it has not. */
  get failure(): BridgeError | undefined {
    return this.#failure;
  }

  /** For a bridge that is about to be opened: sees its line from the first byte on. undefined: that is not recorded. */
  tap(): WireTap | undefined {
    return this.#wire ? new WireTap() : undefined;
  }

  /** Records a bridge that is open from now on, until it is closed. `tap`: the one that it was opened with. */
  add(bridge: Bridge, tap?: WireTap): void {
    const push = (...messages: readonly Message[]): boolean => this.#recording.push(...messages);
    tap?.named(bridge.cameraId, push);
    bridge.frames$.subscribe((frame) => push(frameLineMessage(frame)));
    bridge.events$.subscribe((event) => push(...eventMessages(event)));
    bridge.stats$.subscribe((stats) => push(statsMessage(stats)));
    bridge.outcomes$.subscribe((outcome) => push(...outcomeMessages(outcome)));
    // A bridge that is closed meanwhile has no frames to record.
    void bridge.attach('recording', ({ failed }) => this.#sink(failed)).catch(() => undefined);
  }

  /** `close` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** It is closed, and the disk has not answered yet. */
  get stuck(): boolean {
    return this.closed && !this.#recording.ended;
  }

  /** Writes what waits, and ends the file. Resolves to why that did not work; never rejects. Idempotent. */
  close(): Promise<BridgeError | undefined> {
    this.#closing ??= this.#recording.close().then(
      () => undefined,
      (cause) => {
        const error = asBridgeError(cause);
        this.#fail(error);
        return error;
      },
    );
    return this.#closing;
  }

  #fail(error: BridgeError): void {
    this.#failure ??= error;
    for (const failed of this.#failed) failed(error);
  }

  #sink(failed: (error: BridgeError) => void): Sink {
    const recording = this.#recording;
    this.#failed.add(failed);
    if (this.#failure) failed(this.#failure);
    return {
      get active() {
        return !recording.over;
      },
      write: (frame: Frame) => {
        if (!recording.push(frameMessage(frame))) throw tooSlow(recording.path);
      },
      close: () => void this.#failed.delete(failed),
    };
  }
}

const tooSlow = (path: string): BridgeError =>
  new BridgeError(
    'FILE_FAILED',
    `Frames are missing in the recording ${path}: the disk is too slow, or does not answer. The camera goes on. Record to a faster disk.`,
    { context: { path } },
  );
