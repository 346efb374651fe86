/** The GStreamer pipeline of a bridge: runs while frames are pulled, and is chosen while they are not. */
import type { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { pipelineWords } from '../gstreamer/index.js';
import { PipelineKeeper, type PipelineReports, type PipelineSettings } from './pipeline-keeper.js';
import type { Sink } from './sink.js';

/** Stands for the camera's id in a pipeline, so that several cameras do not write one file. */
export const CAMERA_PLACEHOLDER = '{camera}';
/** What an id has that could leave the directory or the word that it is put into. */
const UNSAFE_IN_NAME = /^\.|[^\w.-]/g;

/** Dropped frames are told together: a pipeline that cannot keep up drops many. */
const TOLD_MS = 1_000;

export interface PipelineHandlers extends PipelineReports {
  /** Frames that it did not take since the last call: it was busy, or did not run. At most once a second. */
  dropped(count: number): void;
}

export class Pipeline implements Sink {
  readonly #handlers: PipelineHandlers;
  readonly #settings: PipelineSettings;
  #text: string | null;
  #keeper: PipelineKeeper | undefined;
  /** Frames that it did not take since the bridge was opened, and those of them that are not told yet. */
  #skipped = 0;
  #untold = 0;
  #telling: NodeJS.Timeout | undefined;

  /** OPTION_INVALID: `text` is no pipeline. What happens to the pipeline is reported: frames go on without it. */
  constructor(text: string | undefined, settings: PipelineSettings, handlers: PipelineHandlers) {
    if (text !== undefined) pipelineWords(text);
    this.#text = text ?? null;
    this.#settings = settings;
    this.#handlers = handlers;
  }

  /** The pipeline, as it was given; null: none. */
  get text(): string | null {
    return this.#text;
  }

  /** Whether it takes frames now. */
  get running(): boolean {
    return this.#keeper?.running === true;
  }

  /** Why it does not run, or may have left something unfinished at its end; undefined: nothing is wrong. */
  get error(): BridgeError | undefined {
    return this.#keeper?.error;
  }

  /** Frames that it took, and did not take, since the last start. */
  get stats(): { readonly written: number; readonly dropped: number } {
    return this.#keeper?.stats ?? { written: 0, dropped: 0 };
  }

  get active(): boolean {
    return this.#keeper?.closed === false;
  }

  get skipped(): number {
    return this.#skipped;
  }

  /** Chooses the pipeline of the next start; null: none. OPTION_INVALID: it is no pipeline. */
  choose(text: string | null): void {
    if (text !== null) pipelineWords(text);
    this.#text = text;
    this.#keeper = undefined;
  }

  /**
   * Starts it, `{camera}` standing for `cameraId`; `sensorRate`: what the sensor is set to, in frames per second. UNSUPPORTED or OPTION_INVALID: what is wrong with it. Frames may be
   * written from then on; `proven` says whether it can work with them.
   */
  async start(cameraId: string, sensorRate?: number): Promise<void> {
    this.#keeper = undefined;
    if (this.#text === null) return;
    const text = this.#text.replaceAll(CAMERA_PLACEHOLDER, cameraId.replace(UNSAFE_IN_NAME, '_'));
    this.#keeper = await PipelineKeeper.start(text, this.#handlers, { ...this.#settings, sensorRate });
  }

  /** Resolves when it has worked with the first frames, when none come for a while, or when it is stopped. OPTION_INVALID. */
  async proven(): Promise<void> {
    await this.#keeper?.proven();
  }

  /**
   * Lets it finish, in no time once `signal` is aborted. FILE_FAILED, reported as well: it may have left something unfinished.
   * OPTION_INVALID, reported as well: it could not work with the frames.
   */
  async stop(signal?: AbortSignal): Promise<void> {
    try {
      await this.#keeper?.close(signal);
    } finally {
      this.#tell();
    }
  }

  /** With delivery `latest` at once, with `every` when it has room for another frame. */
  write(frame: Frame): undefined | false | Promise<boolean> {
    const taken = this.#keeper?.offer(frame) ?? false;
    if (typeof taken !== 'boolean') return taken.then((one) => this.#count(one));
    this.#count(taken);
    return taken ? undefined : false;
  }

  async close(signal?: AbortSignal): Promise<void> {
    // What may be unfinished has been reported.
    await this.stop(signal).catch(() => undefined);
  }

  #count(taken: boolean): boolean {
    if (taken) return true;
    this.#skipped++;
    this.#untold++;
    this.#telling ??= setTimeout(() => this.#tell(), TOLD_MS);
    return false;
  }

  #tell(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    if (this.#untold > 0) this.#handlers.dropped(this.#untold);
    this.#untold = 0;
  }
}
