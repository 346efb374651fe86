/** A GStreamer pipeline that is started again when it fails, while frames go on. */
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

/** What a pipeline has to tell, whenever it happens. */
export interface PipelineReports {
  /** It has ended by itself, cannot be started again, or may have left a file unfinished: once for each time. */
  failed(error: BridgeError): void;
  /** What GStreamer warns of, at a bounded rate. */
  warned(text: string): void;
}

export class PipelineKeeper {
  readonly #text: string;
  readonly #reports: PipelineReports;
  readonly #figures: RestartFigures;
  readonly #policy: RestartPolicy;
  readonly #warnings: PipelineWarnings;
  readonly #closed = new AbortController();
  #pipeline: GstPipeline | undefined;
  #startedMs = 0;
  #error: BridgeError | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restarting: Promise<void> | undefined;
  /** Frames that it took, and did not take: it was busy, or there was none. */
  readonly stats = { written: 0, dropped: 0 };

  private constructor(text: string, reports: PipelineReports, figures: RestartFigures) {
    this.#text = text;
    this.#reports = reports;
    this.#figures = figures;
    this.#policy = new RestartPolicy(figures);
    this.#warnings = new PipelineWarnings((warning) => reports.warned(warning));
  }

  /** The errors of `GstPipeline.start`: a pipeline that does not start in the first place is not started again. */
  static async start(
    text: string,
    reports: PipelineReports,
    figures = PIPELINE_RESTARTS,
  ): Promise<PipelineKeeper> {
    const keeper = new PipelineKeeper(text, reports, figures);
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

  /** Gives it a frame; never waits. */
  offer(frame: GstFrame): void {
    if (this.#closed.signal.aborted) return;
    if (this.#pipeline?.offer(frame)) this.stats.written++;
    else this.stats.dropped++;
  }

  /** Lets it finish, for good. FILE_FAILED, which is reported as well: something may be unfinished. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#restart);
    await this.#restarting;
    const pipeline = this.#pipeline;
    this.#pipeline = undefined;
    try {
      await pipeline?.close();
    } catch (cause) {
      this.#error = asBridgeError(cause);
      this.#reports.failed(this.#error);
      throw this.#error;
    } finally {
      this.#warnings.end();
    }
  }

  async #launch(): Promise<void> {
    this.#pipeline = await GstPipeline.start(
      this.#text,
      { ended: (error) => this.#ended(error), stderr: (chunk) => this.#warnings.push(chunk) },
      this.#closed.signal,
    );
    this.#startedMs = performance.now();
    this.#error = undefined;
  }

  #ended(error: BridgeError): void {
    this.#pipeline = undefined;
    if (performance.now() - this.#startedMs >= STEADY_MS) this.#policy.succeeded();
    this.#failed(error);
  }

  /** Once for each time that it ended, or could not be started again. */
  #failed(error: BridgeError): void {
    if (this.#closed.signal.aborted) return;
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
    }
    this.#reports.failed(this.#error);
  }
}
