/** What people are told of an algorithm while frames flow: which have no verdict and why, and what is odd. */
import type { FrameResult, SinkKind, SkipReason } from '../bridge/index.js';
import type { BridgeError } from '../errors.js';
import type { ResultFlag, RunnerState } from '../runner/index.js';
import { inFlags } from './flags.js';
import type { CameraLog, Output } from './output.js';

/** Different reasons that are told at once; then they are counted until no more come. */
const MAX_REASONS = 5;

export class VerdictReport {
  readonly #output: Output;
  readonly #cameraId: string;
  readonly #log: CameraLog;
  /** Errors that people have read. An adapter's end is told both as an error and as the result of its call. */
  readonly #told = new WeakSet<BridgeError>();
  readonly #flags = new Set<ResultFlag>();
  readonly #reasons = new Set<string>();
  #more = 0;
  #last: Extract<FrameResult, { outcome: 'failed' }> | undefined;
  #restarting = false;
  /** Frames that the end of the run left without a verdict: in a call, and before one. */
  readonly #cutShort: number[] = [];
  readonly #notCalled: number[] = [];
  /** Calls that ended by themselves: with a verdict, and without. */
  #judged = 0;
  #unjudged = 0;

  constructor(output: Output, cameraId: string, log: CameraLog) {
    this.#output = output;
    this.#cameraId = cameraId;
    this.#log = log;
  }

  /** The algorithm was called, and no call came to a verdict. */
  get none(): boolean {
    return this.#unjudged > 0 && this.#judged === 0;
  }

  result(result: FrameResult): void {
    if (result.outcome !== 'failed') this.#judged++;
    if (result.outcome === 'failed') this.#failed(result);
    else if (result.flags.some((flag) => !this.#flags.has(flag))) {
      for (const flag of result.flags) this.#flags.add(flag);
      const { sequence, resultStatus, flags } = result;
      this.#warn(`frame ${sequence}: the verdict ${resultStatus} is odd: ${flags.join(', ')} (said once)`);
    }
  }

  error(error: BridgeError, sink?: SinkKind): void {
    const place = { cameraId: this.#cameraId, sink };
    if (typeof error.context['unknownType'] === 'string') this.#output.error(error, false, 'warn', place);
    else if (this.#told.has(error) && this.#output.shows('warn'))
      this.#output.error(error, true, 'error', place);
    else {
      this.#told.add(error);
      this.#output.error(error, false, 'error', place);
    }
  }

  state(state: RunnerState): void {
    this.#log('debug', `algorithm: ${state}`);
    if (state === 'restarting') this.#restarting = true;
    if (state === 'ready' && this.#restarting) {
      this.#restarting = false;
      this.#log('info', `algorithm: ready again`);
    }
    // Why is said by the error that comes with it.
    if (state === 'failed') this.#log('error', `algorithm: frames go on without it`);
  }

  /** A frame that the algorithm did not see. */
  skipped({ sequence, reason }: { readonly sequence: number; readonly reason: SkipReason }): void {
    if (reason === 'closed') this.#notCalled.push(sequence);
  }

  /** The run has ended. */
  end(): void {
    this.tick();
    if (this.#cutShort.length > 0) {
      this.#warn(`no verdict about ${frames(this.#cutShort)}: cut short by the end of the run`);
    }
    if (this.#notCalled.length > 0) {
      this.#log('info', `not looked at by the algorithm: ${frames(this.#notCalled)}`);
    }
    if (this.none) this.#log('error', `no frame has a verdict: every call failed`);
  }

  /** To be called once a second. */
  tick(): void {
    const last = this.#last;
    if (!last) {
      this.#reasons.clear();
      return;
    }
    const more = `${this.#more} more frame${this.#more === 1 ? '' : 's'} without a verdict`;
    this.#warn(`${more}, the last is ${last.sequence}: ${reasonOf(last)}`);
    this.#more = 0;
    this.#last = undefined;
  }

  #failed(result: Extract<FrameResult, { outcome: 'failed' }>): void {
    const { error, sequence } = result;
    if (error.context['reason'] === 'closed') {
      this.#cutShort.push(sequence);
      return;
    }
    this.#unjudged++;
    const reason = reasonOf(result);
    if (this.#told.has(error)) this.#warn(`frame ${sequence} has no verdict`);
    else if (this.#reasons.has(reason) || this.#reasons.size >= MAX_REASONS) {
      if (this.#reasons.has(reason)) this.#told.add(error);
      this.#more++;
      this.#last = result;
    } else {
      this.#reasons.add(reason);
      this.#told.add(error);
      this.#warn(`frame ${sequence} has no verdict: ${reason}`);
    }
  }

  #warn(text: string): void {
    this.#log('warn', text);
  }
}

const frames = (sequences: readonly number[]): string =>
  `frame${sequences.length === 1 ? '' : 's'} ${sequences.join(', ')}`;

const reasonOf = ({ error }: { readonly error: BridgeError }): string => `${inFlags(error)} [${error.code}]`;
