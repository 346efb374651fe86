/** An algorithm attached to frames: image files, the frame that waits, the adapters, and one outcome for each frame. */
import { asBridgeError, type BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { packageVersion } from '../package.js';
import { type PictureFile, readPicture } from '../pictures/index.js';
import {
  type CallPool,
  type CallResult,
  Delivery,
  failedCall,
  type LogLine,
  type PoolCallbacks,
  ResultOrder,
  RunnerPool,
  type RunnerState,
} from '../runner/index.js';
import { type ImageFiles, openImageFiles } from '../shm/index.js';
import { type AlgorithmOptions, MAX_WORKERS, runnerOptions } from './algorithm-options.js';
import type { AlgorithmStats, FrameResult, SkipReason } from './events.js';
import { imageIdOf, resultOf, unplacedResult } from './frame-result.js';
import { OutcomeCount } from './outcome-count.js';
import { callWith, RefCountedImage } from './ref-counted-image.js';
import {
  fixedReference,
  noReference,
  previousOkReference,
  type ReferencePicture,
} from './reference-picture.js';
import type { Sink } from './sink.js';

/** Results a worker may be ahead of the slowest one, while the order of the frames is kept. */
const AHEAD = 16;

export interface AlgorithmHandlers {
  result(frame: Frame, result: FrameResult): void;
  skipped(frame: Frame, reason: SkipReason): void;
  state(state: RunnerState): void;
  log(line: LogLine, worker: number): void;
  error(error: BridgeError): void;
  /** Image files cannot be written, or were removed, until `recovered`. */
  failing(error: BridgeError): void;
  /** That has passed; `lost` frames have the outcome `failed` because of it. */
  recovered(lost: number): void;
  /** Draws the result on the frame. Never rejects. */
  draw?: ((frame: Frame, result: CallResult) => Promise<void>) | undefined;
}

interface Item {
  readonly frame: Frame;
  readonly image: RefCountedImage;
  readonly offeredAt: number;
  /** What it took to write its file. */
  readonly writeMs: number;
  release(): void;
}

/** What an algorithm is made with by those who know more of it. */
export interface AlgorithmParts {
  /** Adapters that run elsewhere. */
  readonly pool?: ((callbacks: PoolCallbacks) => CallPool) | undefined;
  /** Where outcomes were counted before. */
  readonly outcomes?: OutcomeCount;
}

export class Algorithm implements Sink {
  readonly #handlers: AlgorithmHandlers;
  readonly #images: ImageFiles;
  readonly #pool: CallPool;
  readonly #delivery: Delivery<Item>;
  readonly #order: ResultOrder<{ readonly frame: Frame; readonly result: FrameResult }>;
  readonly #reference: ReferencePicture;
  readonly #outcomes: OutcomeCount;
  /** Calls under way of a shared pool. */
  readonly #calls = new Set<Promise<void>>();
  /** Frames whose image file could not be written since that began; undefined: it works. */
  #unwritten: number | undefined;
  /** Takes no more frames. */
  #ending = false;
  #closing: Promise<void> | undefined;

  /**
   * Reads the reference picture and makes directories; starts nothing yet. Ends in
   * OPTION_INVALID, SHM_FULL, SHM_FAILED or FILE_FAILED.
   */
  static async open(
    command: string | readonly string[],
    options: AlgorithmOptions,
    handlers: AlgorithmHandlers,
    parts: AlgorithmParts = {},
  ): Promise<Algorithm> {
    const { reference } = options;
    const picture =
      reference === undefined || reference === 'previous-ok' ? undefined : await readPicture(reference);
    return new Algorithm(command, options, handlers, picture, parts);
  }

  private constructor(
    command: string | readonly string[],
    options: AlgorithmOptions,
    handlers: AlgorithmHandlers,
    reference: PictureFile | undefined,
    { pool, outcomes = new OutcomeCount() }: AlgorithmParts,
  ) {
    this.#handlers = handlers;
    this.#outcomes = outcomes;
    const { imageDir } = options;
    this.#images = openImageFiles({
      ...(imageDir === undefined ? {} : { dir: imageDir }),
      onRemoved: (error) => this.#removed(error),
    });
    try {
      const callbacks = { onState: handlers.state, onLog: handlers.log, onProblem: handlers.error };
      const own = () => runnerOptions(options, command, this.#images.dir, packageVersion());
      this.#pool = pool?.(callbacks) ?? new RunnerPool(own(), options.workers, callbacks);
      if (reference !== undefined) this.#reference = fixedReference(this.#images, reference);
      else this.#reference = options.reference === undefined ? noReference : previousOkReference();
    } catch (error) {
      this.#images.close();
      throw error;
    }
    const shared = this.#pool.shared === true;
    const workers = shared ? MAX_WORKERS : options.workers;
    this.#order = new ResultOrder(options.results, workers * AHEAD, ({ frame, result }) =>
      this.#outcomes.settle(result.outcome, () => handlers.result(frame, result)),
    );
    this.#delivery = new Delivery<Item>({
      policy: options.delivery,
      consumers: shared ? 1 : workers,
      ready: (worker, signal) => this.#ready(worker, signal),
      deliver: async (item, worker) => (shared ? this.#begin(item) : await this.#call(item, worker)),
      failed: (error) => handlers.error(asBridgeError(error)),
    });
  }

  /** Resolves at the first adapter's hello; RUNNER_NOT_FOUND, RUNNER_EXITED, RUNNER_TIMEOUT. */
  start(): Promise<void> {
    return this.#pool.start();
  }

  /** Why it will never take a frame again; undefined: it will. */
  get failure(): BridgeError | undefined {
    return this.#pool.failure;
  }

  /** Process ids of its adapters. */
  get pids(): readonly number[] {
    return this.#pool.pids;
  }

  /** Puts the frame's image file in place, for the next free worker. Resolves when there is room for another frame. */
  write(frame: Frame): Promise<void> | undefined {
    const offeredAt = performance.now();
    this.#outcomes.begin();
    if (this.failure || this.#ending) {
      this.#skip(frame, this.#ending ? 'closed' : 'algorithm_failed');
      return undefined;
    }
    const { width, height, cameraId, data, takenAtMs: timestampMs } = frame;
    const id = imageIdOf(frame);
    let image: RefCountedImage;
    try {
      const lease = this.#images.put(id, frame.jpeg);
      image = new RefCountedImage({ id, width, height, timestampMs, cameraId, data }, lease);
    } catch (cause) {
      this.#fail(frame, asBridgeError(cause, 'SHM_FAILED'));
      return undefined;
    }
    if (this.#unwritten !== undefined) this.#handlers.recovered(this.#unwritten);
    this.#unwritten = undefined;
    frame.placed(id, 'image');
    const release = (): void => {
      image.release();
      this.#skip(frame, this.#ending ? 'closed' : 'newer_frame');
    };
    return this.#delivery.offer({ frame, image, offeredAt, writeMs: performance.now() - offeredAt, release });
  }

  /** Resolves when every frame that was written has its outcome, and its picture is drawn. */
  drained(): Promise<void> {
    return this.#outcomes.drained();
  }

  /** Counters; the latency is the mean since the last call. */
  takeStats(): AlgorithmStats {
    const { starts, crashes, timeouts, retries, logLinesLeftOut, late, duplicate, unknown } =
      this.#pool.stats;
    return {
      state: this.failure ? 'failed' : this.#pool.state,
      workers: this.#pool.size,
      ...this.#outcomes.take(),
      starts,
      crashes,
      timeouts,
      retries,
      logLinesLeftOut,
      stray: { late, duplicate, unknown },
    };
  }

  /**
   * Ends in order: calls under way may end, each within its limit, and their pictures are drawn; a frame that waits is
   * skipped. Then closes. `close()` cuts it short.
   */
  async stop(): Promise<void> {
    this.#ending = true;
    await Promise.all([this.#delivery.close(), this.#pool.stop()]);
    await Promise.all(this.#calls);
    await this.close();
  }

  /**
   * Ends the adapters now, without their time to tear down when `signal` is aborted, and removes the image files. Every
   * frame has its outcome then. Idempotent.
   */
  close(signal?: AbortSignal): Promise<void> {
    this.#ending = true;
    const closing = this.#pool.close(signal);
    this.#closing ??= this.#close(closing);
    return this.#closing;
  }

  async #close(pool: Promise<void>): Promise<void> {
    // The calls end first: each frame still gets its own outcome.
    await Promise.all([pool, this.#delivery.close()]);
    await Promise.all(this.#calls);
    this.#reference.close();
    this.#images.close();
  }

  /** Waits until a worker may take a frame; false when it never will. */
  async #ready(worker: number, signal: AbortSignal): Promise<boolean> {
    await this.#order.room(signal);
    return this.#pool.ready(worker, signal);
  }

  /** Has a worker of a shared pool called, and does not wait for it: another one may be free. */
  #begin(item: Item): void {
    const call = this.#call(item, 0).finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  async #call(item: Item, worker: number): Promise<void> {
    const { frame, image } = item;
    const ticket = this.#order.ticket();
    const result = await this.#ask(frame, image, worker);
    if (result.outcome === 'ok') this.#reference.accepted(image, frame.sequence);
    image.release();
    if (result.outcome !== 'failed') this.#outcomes.latency(result.latencyMs);
    const computeMs = result.latencyMs;
    const queueMs = Math.max(0, performance.now() - item.offeredAt - item.writeMs - computeMs);
    const latency = { queueMs, transferMs: item.writeMs, computeMs };
    const drawn = this.#outcomes.draw(this.#handlers.draw?.(frame, result));
    this.#order.put(ticket, {
      frame,
      result: resultOf(frame, result, { imageId: image.reference.id, worker: worker + 1, latency }),
    });
    // The worker is busy until its picture is drawn: drawing cannot fall behind.
    await drawn;
  }

  async #ask(frame: Frame, image: RefCountedImage, worker: number): Promise<CallResult> {
    let reference: RefCountedImage | undefined;
    try {
      reference = this.#reference.get();
    } catch (cause) {
      return failedCall(image.reference.id, asBridgeError(cause, 'SHM_FAILED'), 0);
    }
    const result = await callWith(reference ? [image, reference] : [image], () =>
      this.#pool.submit(worker, {
        image: image.reference,
        picture: frame,
        ...(reference === undefined ? {} : { reference: reference.reference }),
      }),
    );
    reference?.release();
    return result;
  }

  /** The frame's image file could not be written: its outcome is `failed`. The error is reported once. */
  #fail(frame: Frame, error: BridgeError): void {
    if (this.#unwritten === undefined) this.#handlers.failing(error);
    this.#unwritten = (this.#unwritten ?? 0) + 1;
    this.#outcomes.settle('failed', () => this.#handlers.result(frame, unplacedResult(frame, error)));
  }

  /** The directory of image files is there again. That is told once: the next file says that it works. */
  #removed(error: BridgeError): void {
    if (this.#unwritten === undefined) this.#handlers.failing(error);
    this.#unwritten ??= 0;
  }

  #skip(frame: Frame, reason: SkipReason): void {
    this.#outcomes.settle('skipped', () => this.#handlers.skipped(frame, reason));
  }
}
