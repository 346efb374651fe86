/** Whether frames are pulled, and the GStreamer pipeline that runs while they are. */
import type { Camera } from '../camera/camera.js';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';
import { GstPipeline, pipelineWords } from '../gstreamer/pipeline.js';

/** How long a stop waits for the frame under way. */
const LAST_FRAME_MS = 1_000;

export class Streaming {
  readonly #failed: (error: BridgeError) => void;
  #active = false;
  #closed = false;
  #text: string | null;
  #pipeline: GstPipeline | undefined;
  /** Lets the puller pass; set while it waits. */
  #letPass: (() => void) | undefined;
  #arrived: (() => void) | undefined;
  /** Starts and stops, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #pipelineStats = { written: 0, dropped: 0 };

  /** `failed` is told of a pipeline that ends by itself: frames go on without it. */
  constructor(pipeline: string | undefined, failed: (error: BridgeError) => void) {
    if (pipeline !== undefined) pipelineWords(pipeline);
    this.#text = pipeline ?? null;
    this.#failed = failed;
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

  /** Frames that the pipeline took, and had no time for, since the last start. */
  get pipelineStats(): { readonly written: number; readonly dropped: number } {
    return this.#pipelineStats;
  }

  /** Chooses the pipeline of the next start; null: none. OPTION_INVALID: it is no pipeline, or frames are being pulled. */
  setPipeline(text: string | null): void {
    if (this.#active) {
      throw new BridgeError('OPTION_INVALID', 'The pipeline cannot be changed while streaming: stop first.');
    }
    if (text !== null) pipelineWords(text);
    this.#text = text;
  }

  /** Starts the pipeline and then the frames. UNSUPPORTED or OPTION_INVALID: what is wrong with the pipeline; nothing has started. */
  start(): Promise<void> {
    return this.#next(async () => {
      if (this.#active || this.#closed) return;
      if (this.#text !== null) {
        this.#pipeline = await GstPipeline.start(this.#text, this.#failed);
        this.#pipelineStats = this.#pipeline.stats;
      }
      this.#active = true;
      this.#letPass?.();
    });
  }

  /** Stops the frames, after the one under way, and lets the pipeline finish. The camera stays connected. */
  stop(): Promise<void> {
    return this.#next(async () => {
      if (this.#active) {
        this.#active = false;
        await this.#lastFrame();
      }
      await this.#pipeline?.close();
      this.#pipeline = undefined;
    });
  }

  /** For good. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#letPass?.();
    await this.#next(async () => {
      this.#active = false;
      await this.#pipeline?.close();
    });
  }

  /** For the puller: pending while no frames are wanted. A camera that is lost meanwhile lets it pass, to notice. */
  async pass(camera: Camera): Promise<void> {
    if (this.#active || this.#closed || !camera.connected) return;
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
