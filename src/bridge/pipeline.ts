/** The GStreamer pipeline of a bridge: runs while frames are pulled, and is chosen while they are not. */
import type { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { pipelineWords } from '../gstreamer/index.js';
import { PipelineKeeper, type PipelineReports } from './pipeline-keeper.js';
import type { Sink } from './sink.js';

/** Stands for the camera's id in a pipeline, so that several cameras do not write one file. */
export const CAMERA_PLACEHOLDER = '{camera}';
/** What an id has that could leave the directory or the word that it is put into. */
const UNSAFE_IN_NAME = /^\.|[^\w.-]/g;

export class Pipeline implements Sink {
  readonly #reports: PipelineReports;
  #text: string | null;
  #keeper: PipelineKeeper | undefined;

  /** OPTION_INVALID: `text` is no pipeline. What happens to the pipeline is reported: frames go on without it. */
  constructor(text: string | undefined, reports: PipelineReports) {
    if (text !== undefined) pipelineWords(text);
    this.#text = text ?? null;
    this.#reports = reports;
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
    return this.#keeper !== undefined;
  }

  get skipped(): number {
    return this.stats.dropped;
  }

  /** Chooses the pipeline of the next start; null: none. OPTION_INVALID: it is no pipeline. */
  choose(text: string | null): void {
    if (text !== null) pipelineWords(text);
    this.#text = text;
    this.#keeper = undefined;
  }

  /** Starts it, `{camera}` standing for `cameraId`. UNSUPPORTED or OPTION_INVALID: what is wrong with it. */
  async start(cameraId: string): Promise<void> {
    this.#keeper = undefined;
    if (this.#text === null) return;
    const text = this.#text.replaceAll(CAMERA_PLACEHOLDER, cameraId.replace(UNSAFE_IN_NAME, '_'));
    this.#keeper = await PipelineKeeper.start(text, this.#reports);
  }

  /** Lets it finish. FILE_FAILED, reported as well: it may have left something unfinished. */
  async stop(): Promise<void> {
    await this.#keeper?.close();
  }

  /** Never waits. */
  write(frame: Frame): void {
    this.#keeper?.offer(frame);
  }

  async close(): Promise<void> {
    // What may be unfinished has been reported.
    await this.stop().catch(() => undefined);
  }
}
