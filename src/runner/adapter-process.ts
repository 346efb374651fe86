import {
  type AdapterHello,
  type AdapterMessage,
  encodeMessage,
  type JsonObject,
  MessageDecoder,
  parseAdapterMessage,
  type RunnerMessage,
  showBytes,
} from '../adapter/index.js';
import { deferred } from '../async.js';
import { BridgeError } from '../errors.js';
import { type ChildEnd, ChildGroup } from './child-group.js';
import { Deadline } from './deadline.js';
import { exitError, oomKillCount, startError } from './exits.js';
import { LineSplitter, type LogLevel, type LogLine, LogTail, printable } from './log-lines.js';
import type { ResolvedRunnerOptions } from './options.js';

/** Characters of an error that it reports for itself. */
const MAX_REPORTED = 2_000;
/** Lines of its stderr that are passed on in a second; the others are counted. */
const LOG_LINES_PER_SECOND = 100;
/** What an adapter that is still loading gets to end by itself. */
const LOADING_GRACE_MS = 1_000;

/** What an adapter process reports. `exit` comes once and last. */
export interface AdapterHandlers {
  /** The hello came and was answered: calls may be sent. It may go on loading before it reads them. */
  hello(hello: AdapterHello): void;
  /** Its first answer came: it has loaded what it needs. */
  loaded(): void;
  message(message: Exclude<AdapterMessage, AdapterHello>): void;
  /** A message that cannot be used, with the request it answers as far as that can be read. */
  unusable(error: BridgeError, requestId: string | undefined): void;
  /** A line of its stderr, or of the runner about it. */
  log(line: LogLine): void;
  /** It is being ended for this reason: send it nothing more. `exit` follows. */
  dying(reason: BridgeError): void;
  /** The adapter and all it started are gone. `error` is the reason it was ended for, or how it ended by itself. */
  exit(error: BridgeError): void;
}

/**
 * One run of an algorithm adapter: messages on its stdin and stdout, its log on stderr. Starts at construction;
 * ends by itself, by `stop()` or by `kill()`, and with it everything it started.
 */
export class AdapterProcess {
  readonly #options: ResolvedRunnerOptions;
  readonly #handlers: AdapterHandlers;
  readonly #child: ChildGroup;
  readonly #decoder: MessageDecoder;
  readonly #log: LineSplitter;
  readonly #tail = new LogTail();
  readonly #startup = new Deadline();
  readonly #loadingNote = new Deadline();
  readonly #partial = new Deadline();
  readonly #shutdown = new Deadline();
  readonly #brokenPipe = new Deadline();
  readonly #exited = deferred();
  readonly #startedAt = performance.now();
  readonly #oomKills = oomKillCount();
  #hello: AdapterHello | undefined;
  #loaded = false;
  #reported: string | undefined;
  #reason: BridgeError | undefined;
  #stopping = false;
  #answered = 0;

  constructor(options: ResolvedRunnerOptions, handlers: AdapterHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#decoder = new MessageDecoder(
      {
        message: (value) => this.#take(value),
        unusable: (error, requestId) => {
          this.#finishLoading();
          handlers.unusable(error, requestId);
        },
      },
      { maxBytes: options.maxResultBytes },
    );
    this.#log = new LineSplitter((line) => handlers.log(line), LOG_LINES_PER_SECOND);
    const { command, cwd, timings } = options;
    this.#child = new ChildGroup(
      { command, cwd, env: adapterEnvironment(options), killMs: timings.killMs, orphanMs: timings.orphanMs },
      {
        stdout: (chunk) => this.#read(chunk),
        stderr: (chunk) => {
          this.#tail.push(chunk);
          this.#log.push(chunk);
        },
        pipeBroken: (which) => this.#pipeBroken(which),
        end: (end) => this.#end(end),
      },
    );
    const { startupMs } = timings;
    this.#startup.start(startupMs, () => {
      const what =
        this.#hello === undefined
          ? `did not say hello within ${startupMs} ms. Is the command an algorithm adapter, and does it need more time to start?`
          : `said hello and did not answer within ${startupMs} ms of its start. Does it need more time to load?`;
      this.kill(this.timeout(what, 'startupTimeoutMs'));
    });
    this.#noteLoading();
  }

  /** The adapter's process id, also that of its group; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Lines of its log that were too many. */
  get logLinesLeftOut(): number {
    return this.#log.leftOut;
  }

  /** Sends one message; one that is too large throws OPTION_INVALID. A dead adapter is found out by its exit. */
  send(message: RunnerMessage): void {
    this.#child.write(encodeMessage(message));
  }

  /**
   * Asks the adapter to end, then makes it: shutdown message and end of input, SIGTERM, SIGKILL. SIGTERM comes at once
   * before its hello and when `signal` is aborted. Idempotent; resolves when it and everything it started is gone.
   */
  stop(signal?: AbortSignal): Promise<void> {
    if (!this.#stopping && this.#reason === undefined) {
      this.#stopping = true;
      this.#clearTimers();
      this.#askToEnd();
    }
    const hurry = (): void => void this.#child.terminate();
    if (signal?.aborted) hurry();
    else signal?.addEventListener('abort', hurry, { once: true });
    return this.#exited.promise.finally(() => signal?.removeEventListener('abort', hurry));
  }

  /** Ends the adapter: SIGTERM, then SIGKILL; when `politely`, as `stop` does. `reason` becomes the error of its exit. */
  kill(reason: BridgeError, politely = false): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#clearTimers();
    if (politely) this.#askToEnd();
    else this.#child.terminate();
    this.#handlers.dying(reason);
  }

  /** The error of a time limit that ran out, which `option` sets. */
  timeout(what: string, option: string): BridgeError {
    return new BridgeError('RUNNER_TIMEOUT', `The algorithm adapter ${what}`, {
      context: { command: this.#options.command, stderr: this.#tail.lines, options: [option] },
    });
  }

  #askToEnd(): void {
    this.send({ type: 'shutdown', timestamp_ms: Date.now() });
    this.#child.endInput();
    // Before its hello it has nothing to tear down; while it loads it reads no message.
    if (this.#hello === undefined) return void this.#child.terminate();
    const { shutdownMs: allowedMs } = this.#options.timings;
    const shutdownMs = this.#loaded ? allowedMs : Math.min(allowedMs, LOADING_GRACE_MS);
    this.#shutdown.start(shutdownMs, () => {
      if (!this.#child.terminate()) return;
      this.#say(
        'warn',
        `the algorithm did not end within ${shutdownMs} ms of the shutdown message and gets SIGTERM`,
      );
    });
  }

  #say(level: LogLevel, text: string): void {
    this.#handlers.log({ level, text, message: text });
  }

  /** Says every now and then what is waited for. */
  #noteLoading(): void {
    const { startupMs, loadingNoteMs } = this.#options.timings;
    this.#loadingNote.start(loadingNoteMs, () => {
      const seconds = Math.round((performance.now() - this.#startedAt) / 1000);
      const missing =
        this.#hello === undefined ? 'has not said hello' : 'has said hello and not answered a ping';
      this.#say(
        'info',
        `the algorithm is still loading: it ${missing} since its start ${seconds} s ago (limit ${startupMs / 1000} s)`,
      );
      this.#noteLoading();
    });
  }

  #finishLoading(): void {
    if (this.#loaded || this.#hello === undefined) return;
    this.#loaded = true;
    this.#startup.clear();
    this.#loadingNote.clear();
    if (!this.#stopping && this.#reason === undefined) this.#handlers.loaded();
  }

  #read(chunk: Uint8Array): void {
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'RUNNER_PROTOCOL') throw error;
      // Once for the first broken frame; the noise after it changes nothing.
      return this.kill(error);
    }
    if (!this.#decoder.midMessage || this.#reason !== undefined) return this.#partial.clear();
    const { partialMessageMs } = this.#options.timings;
    this.#partial.start(partialMessageMs, () => {
      const shown = showBytes(this.#decoder.partial);
      const message = `The algorithm adapter stopped in the middle of a message for ${partialMessageMs} ms: ${shown}. Its stdout must carry protocol messages only; print to stderr instead.`;
      this.kill(new BridgeError('RUNNER_PROTOCOL', message, { context: { bytes: shown } }));
    });
  }

  #take(value: JsonObject): void {
    const message = parseAdapterMessage(value);
    if (message instanceof BridgeError) {
      this.#handlers.unusable(message, message.context['requestId'] as string | undefined);
      return;
    }
    if (message.type === 'hello') return this.#greeted(message);
    if (message.type === 'error' && (message.request_id ?? null) === null)
      this.#reported = message.message && printable(message.message.slice(0, MAX_REPORTED));
    else this.#finishLoading();
    if (message.type === 'result') this.#answered += 1;
    this.#handlers.message(message);
  }

  #greeted(hello: AdapterHello): void {
    if (this.#hello !== undefined || this.#stopping || this.#reason !== undefined) return;
    this.#hello = hello;
    const { runnerVersion, timings } = this.#options;
    this.send({
      type: 'hello',
      runner_version: runnerVersion,
      heartbeat_interval_ms: timings.heartbeatIntervalMs,
      heartbeat_grace_ms: timings.heartbeatGraceMs,
    });
    // Both SDKs load the algorithm after their hello. This is answered when that is done, and before any call.
    const pings = hello.capabilities.includes('ping');
    if (pings) this.ping('loaded');
    this.#handlers.hello(hello);
    if (!pings) this.#finishLoading();
  }

  ping(requestId: string): void {
    this.send({ type: 'ping', request_id: requestId, timestamp_ms: Date.now() });
  }

  #pipeBroken(which: 'stdin' | 'stdout'): void {
    if (this.#stopping || this.#reason !== undefined) return;
    this.#brokenPipe.start(this.#options.timings.brokenPipeMs, () => {
      const message = `The algorithm adapter closed its ${which} but went on running: it can no longer be ${which === 'stdin' ? 'called' : 'heard'}.`;
      this.kill(new BridgeError('RUNNER_EXITED', message, { context: { closed: which } }));
    });
  }

  #end(end: ChildEnd): void {
    this.#clearTimers();
    this.#shutdown.clear();
    this.#log.end();
    this.#exited.resolve();
    this.#handlers.exit(this.#reason ?? this.#ownEnd(end));
  }

  #ownEnd(end: ChildEnd): BridgeError {
    const { command, cwd } = this.#options;
    if (end.spawnError !== undefined) return startError(end.spawnError, command, cwd);
    return exitError({
      command,
      end,
      stderr: this.#tail.lines,
      reported: this.#reported,
      greeted: this.#hello !== undefined,
      unfinished: this.#decoder.partial,
      answered: this.#answered,
      oomKills: oomKillCount() > this.#oomKills,
    });
  }

  #clearTimers(): void {
    for (const timer of [this.#startup, this.#loadingNote, this.#partial, this.#brokenPipe]) timer.clear();
  }
}

/** The environment adapters expect (ProcVision's runner_spec and the SDK's own look-ups). */
function adapterEnvironment(options: ResolvedRunnerOptions): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PROC_SHM_DIR: options.imageDirectory,
    PROC_ALGO_ROOT: options.algorithmRoot ?? options.cwd ?? process.cwd(),
    ...(options.entryPoint === undefined ? {} : { PROC_ENTRY_POINT: options.entryPoint }),
    PROC_STRICT_STDIO: options.strictStdio ? '1' : '0',
    PROC_LOG_LEVEL: options.logLevel,
    ...options.env,
  };
}
