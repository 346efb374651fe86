import { randomUUID } from 'node:crypto';
import {
  buildCall,
  type ImageReference,
  type Phase,
  type ResolvedDialect,
  resolveDialect,
} from '../adapter/dialects.js';
import type { AdapterHello } from '../adapter/messages.js';
import { AdapterProbe, type ProbeEvent } from './adapter-probe.js';
import type { CheckPictures, CheckReport, CheckStep } from './check-report.js';
import { describeStray, EndedCalls } from './ended-calls.js';
import type { LogLine } from './log-lines.js';
import { type ResolvedRunnerOptions, type RunnerOptions, resolveRunnerOptions } from './options.js';
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

/**
 * Examines an adapter: starts it, and tries everything a host asks of one. Never rejects for what the adapter does;
 * OPTION_INVALID for wrong options. `onStep` is told each step as it is done, `onLog` each line of its stderr.
 */
export async function checkAdapter(
  options: RunnerOptions,
  pictures: CheckPictures,
  onStep: (step: CheckStep) => void = () => undefined,
  onLog: (line: LogLine) => void = () => undefined,
): Promise<CheckReport> {
  const check = new Check(options, pictures, onStep, onLog);
  return check.run();
}

class Check {
  readonly #options: ResolvedRunnerOptions;
  readonly #pictures: CheckPictures;
  readonly #onStep: (step: CheckStep) => void;
  readonly #probe: AdapterProbe;
  readonly #steps: CheckStep[] = [];
  readonly #ended = new EndedCalls();
  #dialect: ResolvedDialect | undefined;
  #since = performance.now();

  constructor(
    options: RunnerOptions,
    pictures: CheckPictures,
    onStep: (step: CheckStep) => void,
    onLog: (line: LogLine) => void,
  ) {
    const resolved = resolveRunnerOptions(options);
    this.#options = resolved;
    this.#pictures = pictures;
    this.#onStep = onStep;
    this.#probe = new AdapterProbe({ ...resolved, command: [...resolved.command] }, onLog);
  }

  async run(): Promise<CheckReport> {
    let hello: AdapterHello | undefined;
    try {
      hello = await this.#hello();
      if (hello && (await this.#ping())) {
        const { good, truncated, missing } = this.#pictures;
        if (!this.#dialect!.pre || (await this.#pre(good))) {
          await this.#call(good);
          await this.#badImage('truncated image', truncated);
          await this.#badImage('missing image', missing);
        }
        await this.#shutdown();
      }
    } finally {
      await this.#probe.process.stop();
    }
    this.#stdout();
    for (const name of STEPS) {
      const wanted = name !== 'pre' || this.#dialect?.pre === true;
      if (wanted && !this.#steps.some((step) => step.name === name)) {
        this.#done(name, 'skipped', 'an earlier step left nothing to try', false);
      }
    }
    return {
      ok: this.#steps.every(({ status }) => status !== 'failed'),
      sdkVersion: hello?.sdk_version ?? null,
      capabilities: hello?.capabilities ?? [],
      dialect: this.#dialect?.form ?? null,
      steps: this.#steps,
    };
  }

  async #hello(): Promise<AdapterHello | undefined> {
    // The adapter's own time limit ends this: it is killed when it does not say hello.
    const event = await this.#probe.next(({ kind }) => kind === 'hello', 2 ** 31 - 1);
    if (event?.kind !== 'hello') {
      this.#failed('hello', event);
      return undefined;
    }
    const { hello } = event;
    this.#dialect = resolveDialect(this.#options.dialect, hello.capabilities);
    const missing = EXPECTED.filter((name) => !hello.capabilities.includes(name));
    const who = `SDK ${hello.sdk_version ?? 'unnamed'}, called as ${this.#dialect.form}${this.#dialect.pre ? ' with pre_execute' : ''}`;
    if (missing.length > 0) {
      this.#done('hello', 'warning', `${who}; its capabilities do not name ${missing.join(', ')}`);
    } else {
      this.#done('hello', 'ok', who);
    }
    return hello;
  }

  async #ping(): Promise<boolean> {
    const id = randomUUID();
    const { heartbeatGraceMs } = this.#options.timings;
    this.#probe.process.send({ type: 'ping', request_id: id });
    const event = await this.#probe.next(
      (candidate) => candidate.kind === 'message' && candidate.message.type === 'pong',
      heartbeatGraceMs,
    );
    if (event?.kind !== 'message')
      return this.#failed('ping', event, `no pong within ${heartbeatGraceMs} ms`);
    const { message } = event;
    if (message.type !== 'pong' || message.request_id !== id) {
      return this.#failed('ping', undefined, 'the pong has another request_id than its ping');
    }
    return this.#done('ping', 'ok', 'pong');
  }

  async #pre(image: ImageReference): Promise<boolean> {
    const result = await this.#inspect(image, 'pre');
    // A result of `pre` has no verdict, which is all that may be wrong with it.
    if (result.outcome === 'failed' && (result.code !== 'RUNNER_PROTOCOL' || result.data === undefined)) {
      return this.#done('pre', 'failed', result.error.message);
    }
    return this.#done('pre', 'ok', 'pre_execute answered');
  }

  async #call(image: ImageReference): Promise<void> {
    const result = await this.#inspect(image, 'execute');
    if (result.outcome === 'failed') this.#done('call', 'failed', result.error.message);
    else if (result.flags.length > 0) {
      this.#done('call', 'warning', `${result.resultStatus}, with ${result.flags.join(', ')}`);
    } else this.#done('call', 'ok', `verdict ${result.resultStatus}`);
  }

  async #badImage(name: 'truncated image' | 'missing image', image: ImageReference): Promise<void> {
    if (this.#probe.ended() !== undefined) return;
    const result = await this.#inspect(image, 'execute');
    if (result.outcome !== 'failed') {
      const text = `gives the verdict ${result.resultStatus} about a picture that is ${name === 'missing image' ? 'missing' : 'cut short'}; make sure that the picture is whole before judging it, and answer status "ERROR" with error_code "1002" (image load failed) if it is not`;
      // OK lets a part pass that nobody has seen; NG only stops a good one.
      this.#done(name, result.outcome === 'ok' ? 'failed' : 'warning', text);
    } else if (result.code === 'ALGORITHM_FAILED') {
      this.#done(name, 'ok', `refused: ${result.error.message}`);
    } else this.#done(name, 'failed', result.error.message);
  }

  async #shutdown(): Promise<void> {
    if (this.#probe.ended() !== undefined) return;
    await this.#probe.process.stop();
    const answered = this.#probe.leftover('message').some(({ message }) => message.type === 'shutdown');
    const { exitCode, signal } = this.#probe.ended()?.context ?? {};
    if (typeof signal === 'string')
      this.#done('shutdown', 'failed', `did not end by itself: ${signal} was needed`);
    else if (exitCode !== 0) this.#done('shutdown', 'failed', `ended with exit status ${exitCode}, not 0`);
    else if (!answered) this.#done('shutdown', 'warning', 'ended without answering the shutdown message');
    else this.#done('shutdown', 'ok', 'answered and ended');
  }

  /** What it said that nobody had asked for. */
  #stdout(): void {
    if (this.#dialect === undefined) return;
    const [odd] = this.#probe.leftover('unusable');
    const end = this.#probe.ended();
    for (const { message } of this.#probe.leftover('message')) {
      if (message.type === 'result') this.#ended.stray(message.request_id);
    }
    const stray = describeStray(this.#ended.counts);
    if (odd !== undefined) this.#done('stdout', 'warning', odd.error.message, false);
    else if (end?.code === 'RUNNER_PROTOCOL') this.#done('stdout', 'failed', end.message, false);
    else if (stray !== undefined) this.#done('stdout', 'warning', stray, false);
    else this.#done('stdout', 'ok', 'messages only', false);
  }

  /** One call and its result. */
  async #inspect(image: ImageReference, phase: Phase): Promise<CallResult> {
    const requestId = randomUUID();
    const { settings, timings } = this.#options;
    const sent = performance.now();
    this.#since = sent;
    this.#probe.process.send(buildCall(this.#dialect!, { requestId, phase, settings, image }));
    const limitMs = phase === 'pre' ? timings.preMs : timings.callMs;
    const event = await this.#probe.next((candidate) => answers(candidate, requestId), limitMs);
    const latencyMs = performance.now() - sent;
    this.#ended.add(requestId, event?.kind === 'message');
    if (event?.kind === 'message' && event.message.type === 'result') {
      return judgeResult(event.message, { requestId, latencyMs, image });
    }
    if (event?.kind === 'message' && event.message.type === 'error') {
      return failedCall(requestId, errorFromMessage(event.message), latencyMs);
    }
    if (event?.kind === 'unusable' || event?.kind === 'end') {
      return failedCall(requestId, event.error, latencyMs);
    }
    const error = this.#probe.process.timeout(`did not answer a call within ${limitMs} ms.`);
    this.#probe.process.kill(error);
    return failedCall(requestId, error, latencyMs);
  }

  #failed(name: CheckStep['name'], event: ProbeEvent | undefined, otherwise = ''): false {
    this.#done(name, 'failed', event?.kind === 'end' ? event.error.message : otherwise);
    return false;
  }

  #done(name: CheckStep['name'], status: CheckStep['status'], text: string, timed = true): boolean {
    const now = performance.now();
    const step: CheckStep = {
      name,
      status,
      text,
      ms: timed ? Math.round((now - this.#since) * 10) / 10 : null,
    };
    this.#since = now;
    this.#steps.push(step);
    this.#onStep(step);
    return status !== 'failed';
  }
}

function answers(event: ProbeEvent, requestId: string): boolean {
  if (event.kind === 'unusable') return event.requestId === requestId;
  if (event.kind !== 'message') return false;
  const { message } = event;
  return (message.type === 'result' || message.type === 'error') && message.request_id === requestId;
}
