/** The worker's end of remote calls: adapters of an algorithm here, each of which takes one call at a time from NATS. */
import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { Algorithm, type AlgorithmHandlers, type FrameResult } from '../../bridge/index.js';
import { asBridgeError, BridgeError } from '../../errors.js';
import { Frame } from '../../frames/index.js';
import type { AlgorithmOptions, NatsClientOptions } from '../../options/index.js';
import { type CallResult, failedCall, type LogLine, type RunnerState } from '../../runner/index.js';
import type { CameraName } from '../names.js';
import { NatsBroker } from './broker.js';
import {
  ANY_CAMERA,
  answerText,
  freeSubject,
  NOT_TAKEN,
  takeSubject,
  WORKERS,
  workerSubject,
} from './call-message.js';
import { frameOf } from './frame-message.js';

/** From being taken to the call. */
const CALL_MS = 5_000;

/** What a program may want to know of its workers. `worker`: which of the adapters, counted from 1. */
export interface CallServerHandlers {
  log(line: LogLine, worker: number): void;
  state(state: RunnerState, worker: number): void;
  error(error: BridgeError, worker: number): void;
  answered(result: CallResult, worker: number): void;
  /** The server is away; once, until it is there. */
  away(error: BridgeError): void;
  connected(): void;
}

/** The adapters of one worker process: `start()`, and `stop()` or `close()` at the end. */
export class CallServer {
  readonly #slots: readonly Slot[];
  readonly #broker: NatsBroker;

  /**
   * Makes the adapters, starts none. Resolves after the first attempt to connect, whatever came of it. `camera`: undefined is
   * any. OPTION_INVALID, SHM_FULL, SHM_FAILED.
   */
  static async open(
    access: NatsClientOptions,
    camera: string | undefined,
    command: string | readonly string[],
    options: AlgorithmOptions,
    handlers: CallServerHandlers,
  ): Promise<CallServer> {
    const name = { site: access.site, camera: camera ?? ANY_CAMERA };
    // A name that cannot be one is told before anything is open.
    takeSubject(name);
    const broker = await NatsBroker.open(access, 'openmv-bridge worker');
    const slots: Slot[] = [];
    const server = new CallServer(broker, slots);
    try {
      for (let worker = 1; worker <= options.workers; worker++) {
        const slot = new Slot(name, worker, handlers);
        // Nothing is skipped here: the bridge that calls has done that.
        const own = { ...options, workers: 1, delivery: 'every', results: 'unordered' } as const;
        slot.algorithm = await Algorithm.open(command, own, slot.handlers);
        slots.push(slot);
      }
    } catch (error) {
      await server.close();
      throw error;
    }
    broker.follow(handlers);
    for (const slot of slots) slot.follow(broker);
    return server;
  }

  private constructor(broker: NatsBroker, slots: readonly Slot[]) {
    this.#broker = broker;
    this.#slots = slots;
  }

  /** Resolves when one adapter has said hello. Rejects when none can be had: RUNNER_NOT_FOUND, RUNNER_EXITED ... */
  async start(): Promise<void> {
    try {
      await Promise.any(this.#slots.map((slot) => slot.algorithm.start()));
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    }
  }

  /** Why none of the adapters will ever take a call again. */
  get failure(): BridgeError | undefined {
    const failures = this.#slots.map(({ algorithm }) => algorithm.failure);
    return failures.includes(undefined) ? undefined : failures[0];
  }

  /** Takes no more calls; those under way may end. */
  async stop(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.stop()));
    await this.#broker.close();
  }

  /** Ends at once: a call under way is another worker's. */
  async close(signal?: AbortSignal): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close(signal)));
    await this.#broker.close();
  }
}

/** One adapter. While it is free it is in the queue group, for exactly one request. */
class Slot {
  algorithm!: Algorithm;
  readonly handlers: AlgorithmHandlers;
  readonly #name: CameraName;
  readonly #told: CallServerHandlers;
  readonly #worker: number;
  #unfollow: () => void = () => undefined;
  #connection: NatsConnection | undefined;
  #inbox = '';
  #state: RunnerState = 'idle';
  /** In the queue group. */
  #offer: Subscription | undefined;
  /** Taken, until the call comes. */
  #taken: NodeJS.Timeout | undefined;
  /** The call under way. */
  #call: Msg | undefined;
  #ending = false;

  constructor(name: CameraName, worker: number, told: CallServerHandlers) {
    this.#name = name;
    this.#told = told;
    this.#worker = worker;
    this.handlers = {
      result: (_frame, result) => this.#answer(result),
      skipped: () => this.#notTaken(),
      state: (state) => this.#became(state),
      log: (line) => told.log(line, worker),
      error: (error) => told.error(error, worker),
      failing: (error) => told.error(error, worker),
      recovered: () => undefined,
    };
  }

  /** Offers itself on each connection that there will be. */
  follow(broker: NatsBroker): void {
    this.#unfollow = broker.follow({ connected: (connection) => this.#connected(connection) });
  }

  async stop(): Promise<void> {
    this.#end();
    await this.algorithm.stop();
    this.#unfollow();
  }

  async close(signal?: AbortSignal): Promise<void> {
    this.#end();
    this.#notTaken();
    this.#unfollow();
    await this.algorithm.close(signal);
  }

  #end(): void {
    this.#ending = true;
    clearTimeout(this.#taken);
    this.#withdraw();
  }

  /** What was taken by another connection will not be called any more. */
  #connected(connection: NatsConnection): void {
    this.#connection = connection;
    this.#offer = undefined;
    clearTimeout(this.#taken);
    this.#taken = undefined;
    this.#inbox = createInbox();
    const on = (subject: string, callback: (message: Msg) => void): void => {
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (!error) callback(message);
        },
      });
    };
    on(`${this.#inbox}.call`, (message) => this.#called(message));
    on(`${this.#inbox}.alive`, (message) => {
      const same = this.#call?.headers?.get('Call') === message.string();
      message.respond(same ? 'yes' : 'no');
    });
    on(workerSubject(this.#name), (message) => message.respond());
    this.#offerAgain();
  }

  #became(state: RunnerState): void {
    this.#state = state;
    this.#told.state(state, this.#worker);
    if (state === 'ready') this.#offerAgain();
    else if (!this.#call) this.#withdraw();
  }

  #withdraw(): void {
    try {
      this.#offer?.unsubscribe();
    } catch {
      // Its connection has ended.
    }
    this.#offer = undefined;
  }

  /** Into the queue group, when it is free. */
  #offerAgain(): void {
    const connection = this.#connection;
    const busy = this.#call ?? this.#taken ?? this.#offer;
    if (!connection || connection.isClosed() || busy || this.#ending || this.#state !== 'ready') return;
    this.#offer = connection.subscribe(takeSubject(this.#name), {
      queue: WORKERS,
      max: 1,
      callback: (error, message) => {
        if (!error) this.#take(message);
      },
    });
    connection.publish(freeSubject(this.#name.site));
  }

  #take(message: Msg): void {
    this.#offer = undefined;
    // It was on its way when the offer was withdrawn.
    if (this.#call || this.#ending) {
      message.respond(NOT_TAKEN);
      return;
    }
    this.#taken = setTimeout(() => {
      this.#taken = undefined;
      this.#offerAgain();
    }, CALL_MS);
    message.respond(this.#inbox);
  }

  #called(message: Msg): void {
    clearTimeout(this.#taken);
    this.#taken = undefined;
    if (this.#call || this.#ending) {
      message.respond(NOT_TAKEN);
      return;
    }
    this.#call = message;
    // Of a bridge that was slow: it is offered again since.
    this.#withdraw();
    try {
      const { crc32: _checked, ...fields } = frameOf(message);
      void this.algorithm.write(new Frame(fields));
    } catch (error) {
      this.#answer(failedCall(message.headers?.get('Call') ?? '', asBridgeError(error), 0));
    }
  }

  #answer(result: CallResult | FrameResult): void {
    const connection = this.#connection;
    const most = connection?.info?.max_payload ?? Number.POSITIVE_INFINITY;
    let text = answerText(result);
    if (Buffer.byteLength(text) > most) {
      const words = `A result of ${text.length} bytes is more than NATS takes in a message: its max_payload is ${most}.`;
      text = answerText(
        failedCall(result.requestId, new BridgeError('RUNNER_PROTOCOL', words), result.latencyMs),
      );
    }
    this.#told.answered(result, this.#worker);
    this.#respond(text);
  }

  #notTaken(): void {
    this.#respond(NOT_TAKEN);
  }

  #respond(text: string): void {
    const call = this.#call;
    this.#call = undefined;
    try {
      // By another connection than it came the answer arrives as well, if it is still waited for.
      if (call?.reply) this.#connection?.publish(call.reply, text);
    } catch {
      // The server is away: the bridge has given up the call, or will.
    }
    this.#offerAgain();
  }
}
