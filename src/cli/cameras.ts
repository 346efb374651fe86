/** The cameras of a run: opened at the same time; one that is missing is waited for. They may be replaced while it runs. */
import { isDeepStrictEqual } from 'node:util';
import { type Deferred, deferred, Mutex } from '../async.js';
import {
  type Bridge,
  type BridgeEvent,
  createBridge,
  type LineTap,
  type RemoteCalls,
} from '../bridge/index.js';
import { mayCome } from '../camera/index.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { BridgeInput } from '../options/index.js';

/** What a run does with its cameras. */
export interface CameraHandlers {
  /** What happens while a camera is being opened, which takes as long as its algorithm needs to say hello. */
  early(event: BridgeEvent, input: BridgeInput): void;
  /** Called for each camera in the moment it is there, before its first frame. */
  opened(bridge: Bridge, tap: LineTap | undefined): void | Promise<void>;
  /** What is to see the bytes of a camera's line; `opened` says which camera it is. */
  tap(): LineTap | undefined;
  /** A camera is missing and waited for; once for each reason. */
  waiting(port: string, error: BridgeError): void;
  /** A camera that was waited for cannot be used, or is not waited for any more. */
  gaveUp(error: BridgeError): void;
  /** A camera was taken out of the run. */
  left(port: string): void;
  /** Each camera is there, or is waited for. */
  begun?(): void;
}

export interface CamerasOptions {
  readonly runId: string;
  /** Waits for cameras even while none is there; else one that is missing is waited for only while another one runs. */
  readonly wait: boolean;
  /** Who calls the algorithm of `runner: 'nats:'`. */
  readonly remote?: RemoteCalls | undefined;
}

/** A camera on its way. */
interface Opening {
  readonly input: BridgeInput;
  /** Resolves when it is open, or is waited for, or has failed. */
  readonly first: Deferred;
  /** Why it is not there; undefined: it is. */
  error: BridgeError | undefined;
  waits: boolean;
  /** Put into a run that was under way, which goes on without it. */
  readonly added: boolean;
  /** Taken out of the run. */
  readonly gone: AbortController;
  bridge: Bridge | undefined;
  /** Its attempts, and its bridge's life. Never rejects. */
  over: Promise<unknown>;
}

/** What a change of the cameras comes to. */
export interface Replaced {
  /** How many were not touched. */
  readonly kept: number;
  /** Ports of those that were opened, and of those that were closed; one whose options changed is among both. */
  readonly opened: readonly string[];
  readonly closed: readonly string[];
}

export class Cameras {
  readonly bridges: Bridge[] = [];
  #openings: readonly Opening[];
  readonly #options: CamerasOptions;
  readonly #handlers: CameraHandlers;
  readonly #end = new AbortController();
  #failed = false;
  /** The first attempts are under way. */
  #beginning = true;
  #running = 0;
  readonly #changes = new Mutex();
  /** Changes under way: meanwhile it may be that no camera runs. */
  #changing = 0;

  constructor(inputs: readonly BridgeInput[], options: CamerasOptions, handlers: CameraHandlers) {
    this.#openings = inputs.map((input) => opening(input));
    this.#options = options;
    this.#handlers = handlers;
  }

  /** How many there are, in words. */
  get summary(): string {
    const all = this.#openings.length;
    return `${this.#running} of ${all} camera${all === 1 ? '' : 's'} connected`;
  }

  /** Why cameras are not there that never came. */
  get missing(): BridgeError[] {
    return this.#openings.flatMap(({ error }) => error ?? []);
  }

  /**
   * Opens them all and waits until every one has ended. Ends in the errors of cameras that cannot be opened and are
   * not waited for, in their order; then none stays open.
   */
  async run(): Promise<readonly PromiseSettledResult<void>[]> {
    const opened = Promise.all(this.#openings.map((opening) => this.#begin(opening)));
    await Promise.all(this.#openings.map(({ first }) => first.promise));
    const { missing } = this;
    const alone = this.bridges.length === 0 && !this.#options.wait;
    if (missing.length > 0 && !this.#end.signal.aborted && (this.#failed || alone)) {
      await this.close();
      await opened;
      throw new AggregateError(missing);
    }
    this.#beginning = false;
    for (const opening of this.#openings) if (!this.#end.signal.aborted) this.#tell(opening);
    this.#endAlone();
    this.#handlers.begun?.();
    await this.#allOver();
    const lives = await Promise.allSettled(this.bridges.map((bridge) => bridge.done));
    await this.close();
    return lives;
  }

  /**
   * Goes on with these cameras: one whose options are the same is not touched, one that changed is closed in order and
   * opened again, others are closed or opened. A camera that cannot be opened is waited for, or told as one that was lost.
   */
  async replace(inputs: readonly BridgeInput[]): Promise<Replaced> {
    this.#changing++;
    try {
      return await this.#changes.run(() => this.#replace(inputs));
    } finally {
      this.#changing--;
      this.#endAlone();
    }
  }

  async #replace(inputs: readonly BridgeInput[]): Promise<Replaced> {
    const left = [...this.#openings];
    const same = inputs.map((input) => {
      const index = left.findIndex((one) => isDeepStrictEqual(one.input, input));
      return index < 0 ? undefined : left.splice(index, 1)[0];
    });
    await Promise.all(
      left.map(async ({ gone, bridge, over }) => {
        gone.abort();
        await bridge?.stop();
        await over;
      }),
    );
    for (const { input } of left) this.#handlers.left(String(input.port));
    // What is not in the run any more does not count at its end.
    const over = left.map(({ bridge }) => bridge);
    this.bridges.splice(0, this.bridges.length, ...this.bridges.filter((bridge) => !over.includes(bridge)));
    this.#openings = inputs.map((input, index) => same[index] ?? opening(input, true));
    const fresh = this.#openings.filter((_one, index) => same[index] === undefined);
    await Promise.all(
      fresh.map((one) => {
        void this.#begin(one);
        return one.first.promise;
      }),
    );
    const ports = (some: readonly Opening[]): string[] => some.map(({ input }) => String(input.port));
    return { kept: inputs.length - fresh.length, opened: ports(fresh), closed: ports(left) };
  }

  /** Until every camera's life is over, those that come meanwhile included. */
  async #allOver(): Promise<void> {
    for (let known: readonly Opening[] = []; known !== this.#openings; ) {
      known = this.#openings;
      await Promise.all(known.map(({ over }) => over));
      await this.#changes.run(async () => undefined);
    }
  }

  /** Ends the waiting, and them all in order: calls under way may end. */
  async stop(): Promise<void> {
    this.#end.abort();
    await Promise.all(this.bridges.map((bridge) => bridge.stop()));
  }

  /** Ends the waiting, and them all at once; aborting `signal` takes algorithms their time to tear down as well. */
  async close(signal?: AbortSignal): Promise<void> {
    this.#end.abort();
    await Promise.all(this.bridges.map((bridge) => bridge.close(signal && { signal })));
  }

  #begin(opening: Opening): Promise<void> {
    const opened = this.#open(opening);
    opening.over = opened.then(() => opening.bridge?.done).catch(() => undefined);
    return opened;
  }

  /** Until it is open, or will not be. Never rejects. */
  async #open(opening: Opening): Promise<void> {
    const { input, first } = opening;
    // Without it there is no run, unless it is waited for.
    const wait = this.#options.wait || input.reconnect !== false;
    const waiting = (error: BridgeError): void => {
      opening.error = this.#named(error, input);
      opening.waits = true;
      if (!this.#beginning) this.#tell(opening);
      first.resolve();
    };
    const signal = AbortSignal.any([this.#end.signal, opening.gone.signal]);
    const { runId, remote } = this.#options;
    const early = (event: BridgeEvent): void => this.#handlers.early(event, input);
    try {
      signal.throwIfAborted();
      const tap = this.#handlers.tap();
      const bridge = createBridge({ ...input, wait }, { runId, remote, waiting, early, tap });
      // One that is open ends by itself, or in `stop` and `close`.
      const close = (): void => void bridge.close();
      signal.addEventListener('abort', close);
      await bridge.open().finally(() => signal.removeEventListener('abort', close));
      opening.error = undefined;
      opening.bridge = bridge;
      await this.#opened(bridge, tap, signal);
    } catch (cause) {
      if (!signal.aborted) this.#lost(opening, this.#named(asBridgeError(cause), input), wait);
    } finally {
      first.resolve();
    }
  }

  async #opened(bridge: Bridge, tap: LineTap | undefined, signal: AbortSignal): Promise<void> {
    if (this.#failed || signal.aborted) {
      await bridge.close();
      return;
    }
    this.bridges.push(bridge);
    this.#running++;
    const over = (): void => {
      this.#running--;
      this.#endAlone();
    };
    bridge.done.then(over, over);
    await this.#handlers.opened(bridge, tap);
    // `done` tells what it ends in.
    void bridge.start().catch(() => undefined);
  }

  /** It does not come. What no waiting helps against ends the others as well. */
  #lost(opening: Opening, error: BridgeError, wait: boolean): void {
    if (!this.#beginning && error.code !== opening.error?.code) this.#handlers.gaveUp(error);
    opening.error = error;
    opening.waits = false;
    if (opening.added || (wait && mayCome(error))) return;
    this.#failed = true;
    for (const bridge of this.bridges) void bridge.close();
    if (!this.#beginning) this.#end.abort();
  }

  #tell({ input, error, waits }: Opening): void {
    if (error && waits) this.#handlers.waiting(String(input.port), error);
    else if (error) this.#handlers.gaveUp(error);
  }

  /** A camera that is missing is not waited for alone. */
  #endAlone(): void {
    if (this.#running === 0 && !this.#beginning && this.#changing === 0 && !this.#options.wait)
      this.#end.abort();
  }

  /** Of several cameras the error says which one it is about. */
  #named(error: BridgeError, { port }: BridgeInput): BridgeError {
    if (this.#openings.length === 1 || port === undefined || error.message.includes(port)) return error;
    const { code, message, context, cause } = error;
    return new BridgeError(code, `The camera on ${port}: ${message}`, { context, cause });
  }
}

function opening(input: BridgeInput, added = false): Opening {
  const over = Promise.resolve();
  return {
    input,
    first: deferred(),
    error: undefined,
    waits: false,
    added,
    gone: new AbortController(),
    bridge: undefined,
    over,
  };
}
