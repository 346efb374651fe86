import { randomUUID } from 'node:crypto';
import {
  type AdapterHello,
  buildCall,
  type ImageReference,
  type Phase,
  type ResolvedDialect,
  resolveDialect,
} from '../adapter/index.js';
import type { BridgeError } from '../errors.js';
import { AdapterProbe, type ProbeEvent } from './adapter-probe.js';
import { limitOption } from './exits.js';
import type { LogLine } from './log-lines.js';
import { type ResolvedRunnerOptions, type RunnerOptions, resolveRunnerOptions } from './options.js';
import { describeStray, RecentCalls } from './recent-calls.js';
import { type CallResult, errorFromMessage, failedCall, judgeResult } from './result.js';

const EXPECTED = ['ping', 'call', 'shutdown'] as const;
const STEPS = [
  'hello',
  'ping',
  'pre',
  'call',
  'truncated image',
  'missing image',
  'shutdown',
  'stdout',
] as const;
/** Version of the public SDK, or its word when it is not installed as a package. */
const PUBLIC_SDK = /^(?:0\.\d|unknown$)/;

/** One thing that was tried, and what came of it. */
export interface CheckStep {
  readonly name: (typeof STEPS)[number];
  /** `warning`: it works, and could be trusted more; `skipped`: an earlier step left nothing to try. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly text: string;
  readonly ms: number | null;
}

export interface CheckReport {
  /** No step failed. */
  readonly ok: boolean;
  readonly sdkVersion: string | null;
  readonly capabilities: readonly string[];
  /** How it was called. */
  readonly dialect: string | null;
  readonly steps: readonly CheckStep[];
}

/** Pictures to call it with. The file of `missing` must not exist. */
export interface CheckPictures {
  readonly good: ImageReference;
  readonly truncated: ImageReference;
  readonly missing: ImageReference;
}

export interface CheckHandlers {
  /** Told each step as it is done; `error`: the one whose message its text is. */
  onStep?(step: CheckStep, error?: BridgeError): void;
  /** Told each line of its log. */
  onLog?(line: LogLine): void;
  /** When aborted, a call under way may end; what is left is skipped, and so is the wait for an adapter that loads. */
  readonly stop?: AbortSignal;
  /** Ends the check, and the adapter, at once when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Examines an adapter: starts it, with `strictStdio`, and tries everything a host asks of one. Never rejects for what
 * the adapter does; OPTION_INVALID for wrong options, `signal.reason` when aborted.
 */
export async function checkAdapter(
  options: RunnerOptions,
  images: CheckPictures,
  handlers: CheckHandlers = {},
): Promise<CheckReport> {
  handlers.signal?.throwIfAborted();
  const resolved = resolveRunnerOptions({ ...options, strictStdio: true });
  const probe = new AdapterProbe(resolved, (line) => handlers.onLog?.(line));
  return new Check(resolved, handlers, probe).run(images);
}

class Check {
  readonly #steps: CheckStep[] = [];
  readonly #recent = new RecentCalls();
  #hello: AdapterHello | undefined;
  #dialect: ResolvedDialect | undefined;
  #since = performance.now();

  constructor(
    private readonly options: ResolvedRunnerOptions,
    private readonly handlers: CheckHandlers,
    private readonly probe: AdapterProbe,
  ) {}

  async run(images: CheckPictures): Promise<CheckReport> {
    try {
      const dialect = await this.#greet();
      if (dialect !== undefined && (await this.#ping())) {
        await this.#calls(dialect, images);
        await this.#shutdown();
      }
    } catch (error) {
      const { stop } = this.handlers;
      if (stop?.aborted !== true || error !== stop.reason) throw error;
    } finally {
      await this.probe.process.stop(this.handlers.signal);
    }
    this.#stdout();
    for (const name of STEPS) {
      if (name === 'pre' && this.#dialect?.pre !== true) continue;
      if (this.#steps.some((step) => step.name === name)) continue;
      const stopped = this.handlers.stop?.aborted === true;
      const why = stopped ? 'the check was stopped' : 'an earlier step left nothing to try';
      this.#done(name, 'skipped', why, false);
    }
    return {
      ok: this.#steps.every(({ status }) => status !== 'failed'),
      sdkVersion: this.#hello?.sdk_version ?? null,
      capabilities: this.#hello?.capabilities ?? [],
      dialect: this.#dialect?.form ?? null,
      steps: this.#steps,
    };
  }

  async #greet(): Promise<ResolvedDialect | undefined> {
    // The adapter's own time limit ends this, and the ping: it is killed when it does not answer.
    const event = await this.#next(({ kind }) => kind === 'hello');
    if (event?.kind !== 'hello') return void this.#unanswered('hello', event);
    const { sdk_version, capabilities } = event.hello;
    const dialect = resolveDialect(this.options.dialect, capabilities);
    this.#hello = event.hello;
    this.#dialect = dialect;
    const missing = EXPECTED.filter((name) => !capabilities.includes(name));
    const who = `SDK ${sdk_version ?? 'unnamed'}, called as ${dialect.form}${dialect.pre ? ' with pre_execute' : ''}`;
    if (missing.length === 0) this.#done('hello', 'ok', who);
    else this.#done('hello', 'warning', `${who}; its capabilities do not name ${missing.join(', ')}`);
    return dialect;
  }

  async #ping(): Promise<boolean> {
    const loads = this.#hello?.capabilities.includes('ping') === true;
    // Its first pong says that it has loaded, the second one how fast it answers.
    if (loads) {
      const first = await this.#next(isPong);
      if (first?.kind !== 'message') return this.#unanswered('ping', first);
    }
    const id = randomUUID();
    const { heartbeatGraceMs } = this.options.timings;
    const loadedMs = Math.round(performance.now() - this.#since);
    this.#since = performance.now();
    this.probe.process.ping(id);
    const event = await this.#next(isPong, heartbeatGraceMs);
    if (event?.kind !== 'message')
      return this.#unanswered('ping', event, `no pong within ${heartbeatGraceMs} ms`);
    if (event.message.type !== 'pong' || event.message.request_id !== id) {
      return this.#unanswered('ping', undefined, 'the pong has another request_id than its ping');
    }
    return this.#done('ping', 'ok', loadedMs < 1_000 ? 'pong' : `pong, after loading for ${loadedMs} ms`);
  }

  async #calls(dialect: ResolvedDialect, { good, truncated, missing }: CheckPictures): Promise<void> {
    if (dialect.pre) {
      const result = await this.#call(good, 'pre');
      // A result of `pre` has no verdict, which is all that may be wrong with it.
      const answered =
        result.outcome !== 'failed' || (result.code === 'RUNNER_PROTOCOL' && result.data !== undefined);
      if (!answered) return void this.#failed('pre', result.error);
      this.#done('pre', 'ok', 'pre_execute answered');
    }
    const result = await this.#call(good, 'execute');
    if (result.outcome === 'failed') this.#failed('call', result.error);
    else if (result.flags.length === 0) this.#done('call', 'ok', `verdict ${result.resultStatus}`);
    else this.#done('call', 'warning', `${result.resultStatus}, with ${result.flags.join(', ')}`);
    await this.#badImage('truncated image', truncated);
    await this.#badImage('missing image', missing);
  }

  async #badImage(name: 'truncated image' | 'missing image', image: ImageReference): Promise<void> {
    if (this.probe.ended() !== undefined) return;
    const result = await this.#call(image, 'execute');
    if (result.outcome === 'failed') {
      if (result.code === 'ALGORITHM_FAILED') this.#done(name, 'ok', `refused: ${result.error.message}`);
      else this.#failed(name, result.error);
      return;
    }
    const sdk = PUBLIC_SDK.test(this.#hello?.sdk_version ?? '');
    const what = name === 'missing image' ? 'missing' : 'cut short';
    const reader = sdk
      ? "; the SDK's reader gives an all-black image without an error for it: treat an image that is black all over as not there"
      : '; make sure that the image is whole before judging it';
    const text = `gives the verdict ${result.resultStatus} about an image that is ${what}${reader}, and answer status "ERROR" with error_code "1002" (image load failed)`;
    // OK lets a part pass that was never looked at, NG only stops a good one. With the SDK it is not the algorithm's own fault.
    this.#done(name, result.outcome === 'ok' && !sdk ? 'failed' : 'warning', text);
  }

  async #shutdown(): Promise<void> {
    if (this.probe.ended() !== undefined) return;
    await this.probe.process.stop(this.handlers.signal);
    const answered = this.probe.leftover('message').some(({ message }) => message.type === 'shutdown');
    const { exitCode, signal } = this.probe.ended()?.context ?? {};
    if (typeof signal === 'string')
      this.#done('shutdown', 'failed', `did not end by itself: ${signal} was needed`);
    else if (exitCode !== 0) this.#done('shutdown', 'failed', `ended with exit status ${exitCode}, not 0`);
    else if (!answered) this.#done('shutdown', 'warning', 'ended without answering the shutdown message');
    else this.#done('shutdown', 'ok', 'answered and ended');
  }

  /** What it said without having been asked. */
  #stdout(): void {
    if (this.#dialect === undefined) return;
    const [odd] = this.probe.leftover('unusable');
    const end = this.probe.ended();
    for (const { message } of this.probe.leftover('message')) {
      if (message.type === 'result') this.#recent.stray(message.request_id);
    }
    const stray = describeStray(this.#recent.counts);
    if (odd !== undefined) this.#done('stdout', 'warning', odd.error.message, false);
    else if (end?.code === 'RUNNER_PROTOCOL') this.#done('stdout', 'failed', end.message, false);
    else if (stray !== undefined) this.#done('stdout', 'warning', stray, false);
    else this.#done('stdout', 'ok', 'messages only', false);
  }

  /** One call and its result. */
  async #call(image: ImageReference, phase: Phase): Promise<CallResult> {
    this.handlers.stop?.throwIfAborted();
    const requestId = randomUUID();
    const { settings, timings } = this.options;
    const sent = performance.now();
    this.#since = sent;
    this.probe.process.send(buildCall(this.#dialect!, { requestId, phase, settings, image }));
    const limitMs = phase === 'pre' ? timings.preMs : timings.callMs;
    const { signal } = this.handlers;
    const event = await this.probe.next((candidate) => answers(candidate, requestId), limitMs, signal);
    const latencyMs = performance.now() - sent;
    this.#recent.add(requestId, event?.kind === 'message');
    if (event?.kind === 'message' && event.message.type === 'result') {
      return judgeResult(event.message, { requestId, latencyMs, image });
    }
    if (event?.kind === 'message' && event.message.type === 'error') {
      return failedCall(requestId, errorFromMessage(event.message), latencyMs);
    }
    if (event?.kind === 'unusable' || event?.kind === 'end')
      return failedCall(requestId, event.error, latencyMs);
    const what = `did not answer a call within ${limitMs} ms.`;
    const error = this.probe.process.timeout(what, limitOption(phase));
    this.probe.process.kill(error);
    return failedCall(requestId, error, latencyMs);
  }

  /** What it says outside of calls, which a stop does not wait for. */
  #next(
    wanted: (event: ProbeEvent) => boolean,
    ms = Number.POSITIVE_INFINITY,
  ): Promise<ProbeEvent | undefined> {
    const { stop, signal } = this.handlers;
    const signals = [stop, signal].filter((one) => one !== undefined);
    return this.probe.next(wanted, ms, AbortSignal.any(signals));
  }

  #unanswered(name: CheckStep['name'], event: ProbeEvent | undefined, otherwise = ''): false {
    if (event?.kind === 'end') this.#failed(name, event.error);
    else this.#done(name, 'failed', otherwise);
    return false;
  }

  #failed(name: CheckStep['name'], error: BridgeError): void {
    this.#done(name, 'failed', error.message, true, error);
  }

  #done(
    name: CheckStep['name'],
    status: CheckStep['status'],
    text: string,
    timed = true,
    error?: BridgeError,
  ): true {
    const now = performance.now();
    const step: CheckStep = {
      name,
      status,
      text,
      ms: timed ? Math.round((now - this.#since) * 10) / 10 : null,
    };
    this.#since = now;
    this.#steps.push(step);
    this.handlers.onStep?.(step, error);
    return true;
  }
}

const isPong = (event: ProbeEvent): boolean => event.kind === 'message' && event.message.type === 'pong';

function answers(event: ProbeEvent, requestId: string): boolean {
  if (event.kind === 'unusable') return event.requestId === requestId;
  if (event.kind !== 'message') return false;
  const { message } = event;
  return (message.type === 'result' || message.type === 'error') && message.request_id === requestId;
}
