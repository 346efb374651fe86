/** An algorithm attached to a bridge: image files, the queue of at most one frame, the runner. */
import { asBridgeError, type BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';
import { packageVersion } from '../package.js';
import { AlgorithmRunner, Delivery, type LogLine, type RunnerState } from '../runner/index.js';
import { type ImageFiles, openImageFiles } from '../shm/index.js';
import type { AlgorithmStats, FrameResult } from './events.js';
import type { BridgeOptions } from './options.js';

export interface AlgorithmHandlers {
  result(result: FrameResult): void;
  state(state: RunnerState): void;
  log(line: LogLine): void;
  error(error: BridgeError): void;
}

interface Item {
  readonly frame: Frame;
  readonly imageId: string;
  release(): void;
}

export class Algorithm {
  readonly #handlers: AlgorithmHandlers;
  readonly #images: ImageFiles;
  readonly #runner: AlgorithmRunner;
  readonly #delivery: Delivery<Item>;
  readonly #counts = { ok: 0, ng: 0, failed: 0 };
  readonly #closing: Promise<void>[] = [];
  /** Items offered whose result is not known yet. */
  #open = 0;
  #idle: (() => void)[] = [];
  #latencySum = 0;
  #latencyCount = 0;
  #putFailed = false;

  /** Ends in OPTION_INVALID, SHM_FULL, SHM_FAILED or FILE_FAILED. Starts nothing yet. */
  constructor(command: string | readonly string[], options: BridgeOptions, handlers: AlgorithmHandlers) {
    this.#handlers = handlers;
    this.#images = openImageFiles(options.imageDir === undefined ? {} : { dir: options.imageDir });
    try {
      this.#runner = new AlgorithmRunner(
        {
          command: typeof command === 'string' ? command : [...command],
          imageDirectory: this.#images.dir,
          runnerVersion: packageVersion(),
          dialect: options.dialect,
          timings: { callMs: options.callTimeoutMs },
        },
        {
          onState: (state) => {
            handlers.state(state);
          },
          onLog: (line) => {
            handlers.log(line);
          },
          onProblem: (error) => {
            handlers.error(error);
          },
        },
      );
    } catch (error) {
      this.#images.close();
      throw error;
    }
    this.#delivery = new Delivery<Item>({
      policy: options.delivery,
      ready: () => this.#runner.whenReady(),
      deliver: (item) => this.#call(item),
      failed: (error) => {
        handlers.error(asBridgeError(error));
      },
    });
  }

  /** Resolves at the adapter's hello; RUNNER_NOT_FOUND, RUNNER_EXITED, RUNNER_TIMEOUT. */
  start(): Promise<void> {
    return this.#runner.start();
  }

  /** Whether it will never take a frame again. */
  get failure(): BridgeError | undefined {
    return this.#runner.failure;
  }

  /** Puts the frame's image file in place; false when that failed, or the algorithm has failed for good. */
  offer(frame: Frame, imageId: string): Promise<void> | undefined {
    if (this.#runner.failure) return undefined;
    let release: () => void;
    try {
      const lease = this.#images.put(imageId, frame.jpeg);
      release = () => lease.release();
      this.#putFailed = false;
    } catch (error) {
      // Said once, not for every frame, until it works again.
      if (!this.#putFailed) this.#handlers.error(asBridgeError(error, 'SHM_FAILED'));
      this.#putFailed = true;
      return undefined;
    }
    this.#open++;
    let released = false;
    return this.#delivery.offer({
      frame,
      imageId,
      release: () => {
        if (released) return;
        released = true;
        release();
        this.#settleOne();
      },
    });
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
    return { state: this.#runner.state, ...this.#counts, skipped: this.#delivery.stats.replaced, latencyMs };
  }

  /** Ends the adapter and removes the image files. Idempotent. */
  async close(): Promise<void> {
    if (this.#closing.length === 0) {
      this.#closing.push(this.#runner.close(), this.#delivery.close());
    }
    await Promise.all(this.#closing);
    this.#images.close();
  }

  async #call(item: Item): Promise<void> {
    const { frame, imageId } = item;
    const { width, height, timestampMs, cameraId, sequence } = frame;
    try {
      const result = await this.#runner.submit({
        image: { id: imageId, width, height, timestampMs, cameraId },
      });
      this.#counts[result.outcome]++;
      if (result.outcome !== 'failed') {
        this.#latencySum += result.latencyMs;
        this.#latencyCount++;
      }
      this.#handlers.result({ ...result, cameraId, sequence });
    } finally {
      item.release();
    }
  }

  #settleOne(): void {
    if (--this.#open === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
