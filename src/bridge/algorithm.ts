/** An algorithm attached to frames: image files, the frame that waits, the adapters, and the order of the results. */
import { asBridgeError, type BridgeError } from '../errors.js';
import { makeFolder } from '../files.js';
import type { Frame } from '../frames/frame.js';
import { packageVersion } from '../package.js';
import { AnnotatedFiles, annotationOf, type PictureFile, readPicture } from '../pictures/index.js';
import {
  type CallResult,
  Delivery,
  type LogLine,
  ResultOrder,
  RunnerPool,
  type RunnerState,
} from '../runner/index.js';
import { type ImageFiles, openImageFiles } from '../shm/index.js';
import { type AlgorithmOptions, runnerOptions } from './algorithm-options.js';
import type { AlgorithmStats, FrameResult } from './events.js';
import {
  fixedReference,
  noReference,
  previousOkReference,
  type ReferencePicture,
} from './reference-picture.js';
import { distrust, SharedImage } from './shared-image.js';

/** Results a worker may be ahead of the slowest one, while the order of the frames is kept. */
const AHEAD = 16;

export interface AlgorithmHandlers {
  result(result: FrameResult): void;
  state(state: RunnerState): void;
  log(line: LogLine, worker: number): void;
  error(error: BridgeError): void;
}

interface Item {
  readonly frame: Frame;
  readonly image: SharedImage;
  readonly offeredAt: number;
  /** What it took to write its file. */
  readonly writeMs: number;
  release(): void;
}

interface Extras {
  readonly reference: PictureFile | undefined;
  readonly annotated: AnnotatedFiles | undefined;
}

export class Algorithm {
  readonly #handlers: AlgorithmHandlers;
  readonly #images: ImageFiles;
  readonly #pool: RunnerPool;
  readonly #delivery: Delivery<Item>;
  readonly #order: ResultOrder<FrameResult>;
  readonly #reference: ReferencePicture;
  readonly #annotated: AnnotatedFiles | undefined;
  readonly #counts = { ok: 0, ng: 0, failed: 0 };
  readonly #closing: Promise<void>[] = [];
  /** Results not given out and pictures not drawn yet. */
  #open = 0;
  #idle: (() => void)[] = [];
  #latencySum = 0;
  #latencyCount = 0;
  /** Said once, not for every frame, until it works again. */
  readonly #failing = new Set<'put' | 'annotate'>();

  /**
   * Reads the reference picture and makes directories; starts nothing yet. Ends in OPTION_INVALID, SHM_FULL,
   * SHM_FAILED or FILE_FAILED.
   */
  static async open(
    command: string | readonly string[],
    options: AlgorithmOptions,
    handlers: AlgorithmHandlers,
  ): Promise<Algorithm> {
    const { reference, saveAnnotated } = options;
    if (saveAnnotated !== undefined) await makeFolder('Annotated pictures cannot be saved', saveAnnotated);
    return new Algorithm(command, options, handlers, {
      reference:
        reference === undefined || reference === 'previous-ok' ? undefined : await readPicture(reference),
      annotated: saveAnnotated === undefined ? undefined : await AnnotatedFiles.open(saveAnnotated),
    });
  }

  private constructor(
    command: string | readonly string[],
    options: AlgorithmOptions,
    handlers: AlgorithmHandlers,
    { reference, annotated }: Extras,
  ) {
    this.#handlers = handlers;
    this.#annotated = annotated;
    this.#images = openImageFiles(options.imageDir === undefined ? {} : { dir: options.imageDir });
    try {
      this.#pool = new RunnerPool(
        runnerOptions(options, command, this.#images.dir, packageVersion()),
        options.workers,
        { onState: handlers.state, onLog: handlers.log, onProblem: handlers.error },
      );
      if (reference !== undefined) this.#reference = fixedReference(this.#images, reference);
      else this.#reference = options.reference === undefined ? noReference : previousOkReference();
    } catch (error) {
      this.#images.close();
      throw error;
    }
    this.#order = new ResultOrder(options.results, options.workers * AHEAD, (result) => {
      handlers.result(result);
      this.#settleOne();
    });
    this.#delivery = new Delivery<Item>({
      policy: options.delivery,
      consumers: options.workers,
      ready: (worker) => this.#ready(worker),
      deliver: (item, worker) => this.#call(item, worker),
      failed: (error) => handlers.error(asBridgeError(error)),
    });
  }

  /** Resolves at the first adapter's hello; RUNNER_NOT_FOUND, RUNNER_EXITED, RUNNER_TIMEOUT. */
  start(): Promise<void> {
    return this.#pool.start();
  }

  /** Whether it will never take a frame again. */
  get failure(): BridgeError | undefined {
    return this.#pool.failure;
  }

  /**
   * Puts the frame's image file in place, for the next free worker. The promise is that of room for another frame;
   * undefined when the file could not be written, or the algorithm has failed for good.
   */
  offer(frame: Frame, imageId: string): Promise<void> | undefined {
    if (this.failure) return undefined;
    const offeredAt = performance.now();
    const { width, height, timestampMs, cameraId } = frame;
    let image: SharedImage;
    try {
      const lease = this.#images.put(imageId, frame.jpeg);
      image = new SharedImage({ id: imageId, width, height, timestampMs, cameraId }, lease);
      this.#failing.delete('put');
    } catch (error) {
      this.#complain('put', asBridgeError(error, 'SHM_FAILED'));
      return undefined;
    }
    this.#open++;
    const release = () => {
      image.release();
      this.#settleOne();
    };
    return this.#delivery.offer({ frame, image, offeredAt, writeMs: performance.now() - offeredAt, release });
  }

  /** Resolves when every frame offered has its result, or was skipped. */
  async drained(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Counters; the latency is the mean since the last call. */
  takeStats(): AlgorithmStats {
    const latencyMs = this.#latencyCount === 0 ? null : this.#latencySum / this.#latencyCount;
    this.#latencySum = 0;
    this.#latencyCount = 0;
    const { starts, crashes, timeouts, late, duplicate, unknown } = this.#pool.stats;
    return {
      state: this.failure ? 'failed' : this.#pool.state,
      workers: this.#pool.size,
      ...this.#counts,
      skipped: this.#delivery.stats.replaced,
      latencyMs,
      starts,
      crashes,
      timeouts,
      stray: { late, duplicate, unknown },
    };
  }

  /** Ends the adapters and removes the image files. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing.length === 0) {
      this.#closing.push(this.#pool.close(), this.#delivery.close());
    }
    await Promise.all(this.#closing);
    this.#reference.close();
    this.#images.close();
  }

  /** Waits until a worker may take a frame; false when it never will. */
  async #ready(worker: number): Promise<boolean> {
    if (!(await this.#pool.ready(worker))) return false;
    await this.#order.room();
    return true;
  }

  async #call(item: Item, worker: number): Promise<void> {
    const { frame, image } = item;
    const ticket = this.#order.ticket();
    const reference = this.#reference.get();
    const result = distrust(
      await this.#pool.submit(worker, {
        image: image.reference,
        ...(reference === undefined ? {} : { reference: reference.reference }),
      }),
      reference === undefined ? [image] : [image, reference],
    );
    reference?.release();
    if (result.outcome === 'ok') this.#reference.accepted(image, frame.sequence);
    image.release();
    this.#counts[result.outcome]++;
    if (result.outcome !== 'failed') {
      this.#latencySum += result.latencyMs;
      this.#latencyCount++;
    }
    if (this.#annotated) this.#open++;
    const computeMs = result.latencyMs;
    const queueMs = Math.max(0, performance.now() - item.offeredAt - item.writeMs - computeMs);
    this.#order.put(ticket, {
      ...result,
      cameraId: frame.cameraId,
      sequence: frame.sequence,
      timestampMs: frame.timestampMs,
      imageId: image.reference.id,
      worker: worker + 1,
      latency: { queueMs, transferMs: item.writeMs, computeMs },
    });
    // The worker is busy until its picture is drawn: drawing cannot fall behind.
    if (this.#annotated) await this.#annotate(this.#annotated, frame, result);
  }

  async #annotate(files: AnnotatedFiles, frame: Frame, result: CallResult): Promise<void> {
    try {
      await files.save(
        `${frame.cameraId}-${String(frame.sequence).padStart(8, '0')}`,
        frame.jpeg,
        annotationOf(result),
      );
      this.#failing.delete('annotate');
    } catch (error) {
      this.#complain('annotate', asBridgeError(error, 'FILE_FAILED'));
    } finally {
      this.#settleOne();
    }
  }

  #complain(what: 'put' | 'annotate', error: BridgeError): void {
    if (!this.#failing.has(what)) this.#handlers.error(error);
    this.#failing.add(what);
  }

  #settleOne(): void {
    if (--this.#open === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
