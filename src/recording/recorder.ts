/** Records bridges: the sink of their frames, and the subscriber of all else that they tell. */
import type { Bridge, Sink } from '../bridge/index.js';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { eventMessages, frameLineMessage, frameMessage, outcomeMessages, statsMessage } from './messages.js';
import { Recording } from './recording.js';
import { moveEarlier } from './recording-file.js';

export interface RecorderOptions {
  readonly path: string;
  readonly runId: string;
}

export class Recorder {
  /** Where an earlier recording of that name was moved to; undefined: there was none. */
  readonly earlier: string | undefined;
  readonly #recording: Recording;
  readonly #failed = new Set<(error: BridgeError) => void>();

  private constructor(recording: Recording, earlier: string | undefined) {
    this.#recording = recording;
    this.earlier = earlier;
  }

  /** FILE_FAILED. */
  static async open({ path, runId }: RecorderOptions): Promise<Recorder> {
    const earlier = await moveEarlier(path);
    const metadata = new Map([['runId', runId]]);
    const told: { failed: (error: BridgeError) => void } = { failed: () => undefined };
    const recording = await Recording.open(path, metadata, { failed: (error) => told.failed(error) });
    const recorder = new Recorder(recording, earlier);
    told.failed = (error) => {
      for (const failed of recorder.#failed) failed(error);
    };
    return recorder;
  }

  /** The file that is written now. */
  get path(): string {
    return this.#recording.path;
  }

  /** Records a bridge from now on, until it is closed. */
  add(bridge: Bridge): void {
    const recording = this.#recording;
    bridge.frames$.subscribe((frame) => recording.push(frameLineMessage(frame)));
    bridge.events$.subscribe((event) => recording.push(...eventMessages(event)));
    bridge.stats$.subscribe((stats) => recording.push(statsMessage(stats)));
    bridge.outcomes$.subscribe((outcome) => recording.push(...outcomeMessages(outcome)));
    // A bridge that is closed meanwhile has no frames to record.
    void bridge.attach('recording', ({ failed }) => this.#sink(failed)).catch(() => undefined);
  }

  /** Writes what waits, and ends the file. FILE_FAILED. */
  close(): Promise<void> {
    return this.#recording.close();
  }

  #sink(failed: (error: BridgeError) => void): Sink {
    const recording = this.#recording;
    this.#failed.add(failed);
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
