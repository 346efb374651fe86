import { encodeMessage, type JsonObject, MessageDecoder, showBytes } from '../adapter/framing.js';
import {
  type AdapterHello,
  type AdapterMessage,
  parseAdapterMessage,
  type RunnerMessage,
} from '../adapter/messages.js';
import { BridgeError } from '../errors.js';
import { exitError, startError } from './adapter-errors.js';
import { type ChildEnd, ChildGroup } from './child-group.js';
import { Deadline } from './deadline.js';
import { oomKillCount } from './exit-reason.js';
import { LineSplitter, type LogLine, LogTail } from './log-lines.js';
import type { ResolvedRunnerOptions } from './options.js';

/** What an adapter process reports. `exit` comes once and last. */
export interface AdapterHandlers {
  /** The hello came and was answered: calls may be sent. */
  ready(hello: AdapterHello): void;
  message(message: Exclude<AdapterMessage, AdapterHello>): void;
  /** A message that cannot be used, with the request it answers as far as that can be read. */
  unusable(error: BridgeError, requestId: string | undefined): void;
  log(line: LogLine): void;
  /** It is being killed for this reason: send it nothing more. `exit` follows. */
  dying(reason: BridgeError): void;
  /** The adapter and all it started are gone. `error` is the reason it was killed for, or how it ended by itself. */
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
  readonly #partial = new Deadline();
  readonly #shutdown = new Deadline();
  readonly #brokenPipe = new Deadline();
  readonly #exited: Promise<void>;
  #hello: AdapterHello | undefined;
  #reported: string | undefined;
  #reason: BridgeError | undefined;
  #stopping = false;
  #answered = 0;
  readonly #oomKills = oomKillCount();

  constructor(options: ResolvedRunnerOptions, handlers: AdapterHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#decoder = new MessageDecoder({
      message: (value) => this.#take(value),
      unusable: (error, requestId) => handlers.unusable(error, requestId),
    });
    this.#log = new LineSplitter((line) => {
      this.#tail.add(line.text);
      handlers.log(line);
    });
    let exited = () => {};
    this.#exited = new Promise((resolve) => {
      exited = resolve;
    });
    this.#child = new ChildGroup(
      {
        command: options.command,
        cwd: options.cwd,
        env: adapterEnvironment(options),
        killMs: options.timings.killMs,
        orphanMs: options.timings.orphanMs,
      },
      {
        stdout: (chunk) => this.#read(chunk),
        stderr: (chunk) => this.#log.push(chunk),
        pipeBroken: (which) => this.#pipeBroken(which),
        end: (end) => {
          exited();
          this.#end(end);
        },
      },
    );
    this.#startup.start(options.timings.startupMs, () => {
      this.kill(
        this.timeout(
          `did not say hello within ${options.timings.startupMs} ms. Is the command an algorithm adapter, and does it need more time to start?`,
        ),
      );
    });
  }

  /** The adapter's process id, also that of its group; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends one message; one that is too large throws OPTION_INVALID. A dead adapter is found out by its exit. */
  send(message: RunnerMessage): void {
    this.#child.write(encodeMessage(message));
  }

  /**
   * Asks the adapter to end, then makes it: shutdown message and end of input, SIGTERM, SIGKILL. Idempotent;
   * resolves when it and everything it started is gone.
   */
  stop(): Promise<void> {
    if (!this.#stopping && this.#reason === undefined) {
      this.#stopping = true;
      this.#clearTimers();
      this.send({ type: 'shutdown' });
      this.#child.endInput();
      this.#shutdown.start(this.#options.timings.shutdownMs, () => this.#child.terminate());
    }
    return this.#exited;
  }

  /** Ends the adapter without asking: SIGTERM, then SIGKILL. `reason` becomes the error of its exit. */
  kill(reason: BridgeError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#clearTimers();
    this.#child.terminate();
    this.#handlers.dying(reason);
  }

  #read(chunk: Uint8Array): void {
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'RUNNER_PROTOCOL') throw error;
      // Once for the first broken frame; the noise after it changes nothing.
      this.kill(error);
      return;
    }
    if (!this.#decoder.midMessage || this.#reason !== undefined) {
      this.#partial.clear();
      return;
    }
    const { partialMessageMs } = this.#options.timings;
    this.#partial.start(partialMessageMs, () => {
      const shown = showBytes(this.#decoder.partial);
      this.kill(
        new BridgeError(
          'RUNNER_PROTOCOL',
          `The algorithm adapter stopped in the middle of a message for ${partialMessageMs} ms: ${shown}. Its stdout must carry protocol messages only; print to stderr instead.`,
          { context: { bytes: shown } },
        ),
      );
    });
  }

  #take(value: JsonObject): void {
    const parsed = parseAdapterMessage(value);
    if (parsed.kind !== 'message') {
      this.#handlers.unusable(parsed.error, parsed.kind === 'invalid' ? parsed.requestId : undefined);
      return;
    }
    const { message } = parsed;
    if (message.type !== 'hello') {
      if (message.type === 'error' && (message.request_id ?? null) === null) this.#reported = message.message;
      if (message.type === 'result') this.#answered += 1;
      this.#handlers.message(message);
      return;
    }
    if (this.#hello !== undefined || this.#stopping || this.#reason !== undefined) return;
    this.#hello = message;
    this.#startup.clear();
    const { runnerVersion, timings } = this.#options;
    this.send({
      type: 'hello',
      runner_version: runnerVersion,
      heartbeat_interval_ms: timings.heartbeatIntervalMs,
      heartbeat_grace_ms: timings.heartbeatGraceMs,
    });
    this.#handlers.ready(message);
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
    const { command, cwd } = this.#options;
    const ownEnd = () =>
      end.spawnError === undefined
        ? exitError({
            command,
            end,
            stderr: this.#tail.lines,
            reported: this.#reported,
            greeted: this.#hello !== undefined,
            unfinished: this.#decoder.partial,
            answered: this.#answered,
            oomKills: oomKillCount() > this.#oomKills,
          })
        : startError(end.spawnError, command, cwd);
    this.#handlers.exit(this.#reason ?? ownEnd());
  }

  /** The error of a time limit that ran out. */
  timeout(what: string): BridgeError {
    return new BridgeError('RUNNER_TIMEOUT', `The algorithm adapter ${what}`, {
      context: { command: this.#options.command, stderr: this.#tail.lines },
    });
  }

  #clearTimers(): void {
    this.#startup.clear();
    this.#partial.clear();
    this.#brokenPipe.clear();
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
