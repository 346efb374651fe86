/** Whether frames are pulled, and the GStreamer pipeline that runs while they are. */
import type { Camera } from '../camera/camera.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';
import { pipelineWords } from '../gstreamer/index.js';
import { PipelineKeeper, type PipelineReports } from './pipeline-keeper.js';

/** How long a stop waits for the frame under way. */
const LAST_FRAME_MS = 1_000;

/** Stands for the camera's id in a pipeline, so that several cameras do not write one file. */
export const CAMERA_PLACEHOLDER = '{camera}';
/** What an id has that could leave the directory or the word that it is put into. */
const UNSAFE_IN_NAME = /^\.|[^\w.-]/g;

export class Streaming {
  readonly #cameraId: string;
  readonly #reports: PipelineReports;
  #active = false;
  /** How many want frames though nothing streams. */
  #lent = 0;
  #closed = false;
  #text: string | null;
  #pipeline: PipelineKeeper | undefined;
  /** Lets the puller pass; set while it waits. */
  #letPass: (() => void) | undefined;
  #arrived: (() => void) | undefined;
  /** Starts and stops, one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** `{camera}` in the pipeline stands for `cameraId`. What happens to the pipeline is reported: frames go on without it. */
  constructor(pipeline: string | undefined, cameraId: string, reports: PipelineReports) {
    if (pipeline !== undefined) pipelineWords(pipeline);
    this.#text = pipeline ?? null;
    this.#cameraId = cameraId.replace(UNSAFE_IN_NAME, '_');
    this.#reports = reports;
  }

  /** Whether frames are pulled. */
  get active(): boolean {
    return this.#active;
  }

  /** The pipeline that runs while streaming, as it was given; null: none. */
  get pipeline(): string | null {
    return this.#text;
  }

  /** Whether the pipeline takes frames now. */
  get pipelineRunning(): boolean {
    return this.#pipeline?.running === true;
  }

  /** Why the pipeline does not run, or may have left something unfinished at its end; undefined: nothing is wrong. */
  get pipelineError(): BridgeError | undefined {
    return this.#pipeline?.error;
  }

  /** Frames that the pipeline took, and did not take, since the last start. */
  get pipelineStats(): { readonly written: number; readonly dropped: number } {
    return this.#pipeline?.stats ?? { written: 0, dropped: 0 };
  }

  /** Chooses the pipeline of the next start; null: none. OPTION_INVALID: it is no pipeline, or frames are being pulled. */
  setPipeline(text: string | null): void {
    if (this.#active) {
      throw new BridgeError('OPTION_INVALID', 'The pipeline cannot be changed while streaming: stop first.');
    }
    if (text !== null) pipelineWords(text);
    this.#text = text;
    this.#pipeline = undefined;
  }

  /** Starts the pipeline and then the frames. UNSUPPORTED or OPTION_INVALID: what is wrong with the pipeline; nothing has started. */
  start(): Promise<void> {
    return this.#next(async () => {
      if (this.#active || this.#closed) return;
      this.#pipeline = undefined;
      if (this.#text !== null) {
        const text = this.#text.replaceAll(CAMERA_PLACEHOLDER, this.#cameraId);
        this.#pipeline = await PipelineKeeper.start(text, this.#reports);
      }
      this.#active = true;
      this.#letPass?.();
    });
  }

  /**
   * Stops the frames, after the one under way, and lets the pipeline finish. The camera stays connected. FILE_FAILED:
   * all is stopped, but the pipeline may have left something unfinished.
   */
  stop(): Promise<void> {
    return this.#next(async () => {
      const pipeline = this.#pipeline;
      if (this.#active) {
        this.#active = false;
        await this.#lastFrame();
      }
      await pipeline?.close();
    });
  }

  /** Lets frames be pulled while `action` runs, streaming or not; the pipeline stays as it is. */
  async lend<T>(action: () => Promise<T>): Promise<T> {
    this.#lent++;
    try {
      const result = action();
      this.#letPass?.();
      return await result;
    } finally {
      this.#lent--;
      if (!this.#active && this.#lent === 0) await this.#lastFrame();
    }
  }

  /** For good. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#letPass?.();
    await this.#next(async () => {
      this.#active = false;
      // What may be unfinished has been reported.
      await this.#pipeline?.close().catch(asBridgeError);
    });
  }

  /** For the puller: pending while no frames are wanted. A camera that is lost meanwhile lets it pass, to notice. */
  async pass(camera: Camera): Promise<void> {
    if (this.#active || this.#lent > 0 || this.#closed || !camera.connected) return;
    this.#arrived?.();
    await new Promise<void>((resolve) => {
      const subscription = camera.events$.subscribe({ complete: resolve });
      subscription.add(() => resolve());
      this.#letPass = () => subscription.unsubscribe();
    });
    this.#letPass = undefined;
  }

  /** A frame for the pipeline; never waits. */
  offer(frame: Frame): void {
    this.#pipeline?.offer(frame);
  }

  #lastFrame(): Promise<void> {
    if (this.#letPass) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LAST_FRAME_MS);
      this.#arrived = () => {
        clearTimeout(timer);
        this.#arrived = undefined;
        resolve();
      };
    });
  }

  #next<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
