/** A GStreamer pipeline that is started again when it fails, while frames go on. */
import { deferred } from '../async.js';
import { asBridgeError, BridgeError } from '../errors.js';
import { type GstFrame, GstPipeline } from '../gstreamer/index.js';
import { type RestartFigures, RestartPolicy } from '../runner/index.js';
import { PipelineWarnings } from './pipeline-warnings.js';

/** A receiver that restarts with its computer is waited for: about two minutes if no attempt succeeds. */
export const PIPELINE_RESTARTS: RestartFigures = {
  backoffMinMs: 500,
  backoffMaxMs: 30_000,
  crashWindowMs: 600_000,
  crashLimit: 10,
};
/** A pipeline that ran that long did its work: its next failure is a first one again. */
const STEADY_MS = 10_000;
const SECOND_MS = 1_000;

/** A pipeline that gets no frame for so long counts as started: whether it can work with frames shows later. */
const FIRST_FRAME_MS = 3_000;

/** What a pipeline has to tell, whenever it happens. */
export interface PipelineReports {
  /** It has ended by itself, cannot be started again, or may have left a file unfinished: once for each time. */
  failed(error: BridgeError): void;
  /** What GStreamer warns of, at a bounded rate, and that an end takes long. */
  warned(text: string): void;
}

export interface PipelineSettings {
  /** A busy pipeline loses frames, or the source waits for it. */
  readonly delivery: 'latest' | 'every';
  /** How long it may take to finish its files. */
  readonly finishMs: number;
  /** What the sensor is set to, in frames per second. */
  readonly sensorRate?: number | undefined;
  readonly figures?: RestartFigures;
}

export class PipelineKeeper {
  readonly #text: string;
  readonly #reports: PipelineReports;
  readonly #settings: PipelineSettings;
  readonly #figures: RestartFigures;
  readonly #policy: RestartPolicy;
  readonly #warnings: PipelineWarnings;
  readonly #closed = new AbortController();
  /** Aborted: it has no time to finish. */
  readonly #hurry = new AbortController();
  #closing: Promise<void> | undefined;
  #pipeline: GstPipeline | undefined;
  #startedMs = 0;
  #error: BridgeError | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restarting: Promise<void> | undefined;
  /** It will never run again. */
  #over = false;
  /** Resolves when a pipeline runs again, or none ever will. */
  #change = deferred();
  /** Resolves when it has worked with frames, or cannot: then with `#refusal`. */
  readonly #proof = deferred();
  #proven = false;
  #refusal: BridgeError | undefined;
  #durationNs: number | undefined;
  /** Frames that it took, and did not take: it was busy, or there was none. */
  readonly stats = { written: 0, dropped: 0 };

  private constructor(text: string, reports: PipelineReports, settings: PipelineSettings) {
    this.#text = text;
    this.#reports = reports;
    this.#settings = settings;
    this.#figures = settings.figures ?? PIPELINE_RESTARTS;
    this.#policy = new RestartPolicy(this.#figures);
    this.#warnings = new PipelineWarnings((warning) => reports.warned(warning));
  }

  /** The errors of `GstPipeline.start`: a pipeline that does not start in the first place is not started again. */
  static async start(
    text: string,
    reports: PipelineReports,
    settings: PipelineSettings,
  ): Promise<PipelineKeeper> {
    const keeper = new PipelineKeeper(text, reports, settings);
    await keeper.#launch();
    return keeper;
  }

  /** Whether it takes frames. */
  get running(): boolean {
    return this.#pipeline?.running === true;
  }

  /** Why it does not run, or did not finish; undefined: it runs, or has ended well. */
  get error(): BridgeError | undefined {
    return this.#error;
  }

  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  /**
   * Resolves when it has worked with the first frames, or when none come; OPTION_INVALID: it cannot, and is not started
   * again.
   */
  async proven(): Promise<void> {
    const timer = setTimeout(() => {
      if (this.stats.written === 0) this.#prove();
    }, FIRST_FRAME_MS);
    await this.#proof.promise;
    clearTimeout(timer);
    if (this.#refusal) throw this.#refusal;
  }

  /** Gives it a frame: true, or false, when it is dropped. With `latest` at once, with `every` when there is room for another. */
  offer(frame: GstFrame): boolean | Promise<boolean> {
    return this.#settings.delivery === 'every' ? this.#put(frame) : this.#count(this.#give(frame));
  }

  /**
   * Lets it finish, for good; aborting `signal` takes it its time for that. FILE_FAILED, which is reported as well: something
   * may be unfinished. OPTION_INVALID: it could not work with the frames. Idempotent: the first call has the error.
   */
  close(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) this.#hurry.abort();
    else signal?.addEventListener('abort', () => this.#hurry.abort(), { once: true });
    if (this.#closing) return this.#closing.catch(() => undefined);
    this.#closing = this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    this.#end();
    clearTimeout(this.#restart);
    await this.#restarting;
    const pipeline = this.#pipeline;
    this.#pipeline = undefined;
    try {
      await pipeline?.close(this.#hurry.signal);
    } catch (cause) {
      this.#error = asBridgeError(cause);
      if (this.#error.code === 'OPTION_INVALID') this.#refusal = this.#error;
      this.#reports.failed(this.#error);
      throw this.#error;
    } finally {
      this.#warnings.end();
      this.#prove();
    }
  }

  #give(frame: GstFrame): boolean {
    return !this.closed && this.#pipeline?.offer(frame) === true;
  }

  #count(taken: boolean): boolean {
    this.stats[taken ? 'written' : 'dropped']++;
    return taken;
  }

  /** Waits for a pipeline that is started again. A frame that went down with one is given to the next. */
  async #put(frame: GstFrame): Promise<boolean> {
    while (!this.closed && !this.#over) {
      const pipeline = this.#pipeline;
      if (pipeline === undefined) await this.#change.promise;
      else if (pipeline.offer(frame) && ((await pipeline.room()) || this.closed)) return this.#count(true);
      else if (!(await pipeline.room())) await this.#change.promise;
    }
    return this.#count(false);
  }

  async #launch(): Promise<void> {
    this.#pipeline = await GstPipeline.start(
      this.#text,
      {
        ended: (error) => this.#ended(error),
        flows: () => this.#prove(),
        finishing: (ms) => this.#reports.warned(this.#finishing(ms)),
        stderr: (chunk) => this.#warnings.push(chunk),
      },
      {
        durationNs: this.#durationNs,
        sensorRate: this.#settings.sensorRate,
        finishMs: this.#settings.finishMs,
        signal: this.#closed.signal,
      },
    );
    this.#startedMs = performance.now();
    this.#error = undefined;
    this.#changed();
  }

  #finishing(ms: number): string {
    const limit = this.#settings.finishMs / SECOND_MS;
    return `waiting for the pipeline to finish what it writes: ${Math.round(ms / SECOND_MS)} s of at most ${limit} s`;
  }

  /** Whatever it ends in from now on, it did start. */
  #prove(): void {
    this.#proven = true;
    this.#proof.resolve();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = deferred();
  }

  #end(): void {
    this.#over = true;
    this.#change.resolve();
  }

  #ended(error: BridgeError): void {
    this.#durationNs = this.#pipeline?.durationNs;
    this.#pipeline = undefined;
    if (!this.#proven) {
      this.#error = error;
      this.#refusal = error;
      this.#end();
      this.#prove();
      return;
    }
    if (performance.now() - this.#startedMs >= STEADY_MS) this.#policy.succeeded();
    this.#failed(error);
  }

  /** Once for each time that it ended, or could not be started again. */
  #failed(error: BridgeError): void {
    if (this.closed) return;
    // What is not installed does not get installed by trying again.
    const waitMs = error.code === 'UNSUPPORTED' ? undefined : this.#policy.crashed(performance.now());
    const { crashLimit, crashWindowMs } = this.#figures;
    const next =
      waitMs !== undefined
        ? `It is started again in ${waitMs / SECOND_MS} s.`
        : `It is not started again${error.code === 'UNSUPPORTED' ? '' : `, after ${crashLimit} failures within ${crashWindowMs / SECOND_MS} s`}; frames go on without it.`;
    this.#error = new BridgeError(error.code, `${error.message}. ${next}`, {
      context: error.context,
      cause: error,
    });
    if (waitMs !== undefined) {
      this.#restart = setTimeout(() => {
        this.#restarting = this.#launch().catch((cause) => this.#failed(asBridgeError(cause)));
      }, waitMs);
    } else this.#end();
    this.#reports.failed(this.#error);
  }
}
