/** The cameras of a run: opened at the same time; one that is missing is waited for. */
import { pause } from '../async.js';
import { type Bridge, createBridge } from '../bridge/index.js';
import { asBridgeError, BridgeError, type ErrorCode } from '../errors.js';
import type { BridgeInput } from '../options/index.js';

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
/** What passes when the camera is plugged in, or another program lets go of it. */
const PASSING: readonly ErrorCode[] = [
  'PORT_NOT_FOUND',
  'PORT_DENIED',
  'PORT_BUSY',
  'PORT_CLOSED',
  'CAMERA_SILENT',
];

/** What a run does with its cameras. */
export interface CameraHandlers {
  /** Called for each camera in the moment it is there, before its first frame. */
  opened(bridge: Bridge): void;
  /** A camera is missing and waited for; once for each reason. */
  waiting(port: string, error: BridgeError): void;
}

export interface CamerasOptions {
  readonly runId: string;
  /** Waits for cameras even while none is there; else one that is missing is waited for only while another one runs. */
  readonly wait: boolean;
}

export class Cameras {
  readonly bridges: Bridge[] = [];
  /** Cameras that never came, and why. */
  readonly missing: BridgeError[] = [];
  readonly #inputs: readonly BridgeInput[];
  readonly #options: CamerasOptions;
  readonly #handlers: CameraHandlers;
  readonly #end = new AbortController();
  #failed = false;
  /** The first attempts are under way. */
  #opening = true;
  #running = 0;

  constructor(inputs: readonly BridgeInput[], options: CamerasOptions, handlers: CameraHandlers) {
    this.#inputs = inputs;
    this.#options = options;
    this.#handlers = handlers;
  }

  /**
   * Opens them all and waits until every one has ended. Ends in the errors of cameras that cannot be opened and are
   * not waited for, in their order; then none stays open.
   */
  async run(): Promise<readonly PromiseSettledResult<void>[]> {
    const ends = await Promise.allSettled(this.#inputs.map((input) => this.#open(input)));
    const missing = ends.flatMap((end, index) =>
      end.status === 'rejected' ? [{ input: this.#inputs[index]!, error: asBridgeError(end.reason) }] : [],
    );
    const alone = this.bridges.length === 0 && !this.#options.wait;
    if (missing.length > 0 && !this.#end.signal.aborted && (this.#failed || alone)) {
      await this.close();
      throw new AggregateError(missing.map(({ error }) => error));
    }
    this.#opening = false;
    this.#endAlone();
    await Promise.all(missing.map(({ input, error }) => this.#wait(input, error)));
    const lives = await Promise.allSettled(this.bridges.map((bridge) => bridge.done));
    await this.close();
    return lives;
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

  async #open(input: BridgeInput): Promise<void> {
    // Waiting is done here, for all of them together.
    const bridge = createBridge({ ...input, wait: false }, this.#options);
    const { signal } = this.#end;
    // One that is open ends by itself, or in `stop` and `close`.
    const close = (): void => void bridge.close();
    signal.addEventListener('abort', close);
    try {
      signal.throwIfAborted();
      await bridge.open();
    } catch (cause) {
      const error = this.#named(asBridgeError(cause), input);
      // Without it there is no run: the others are not to begin.
      const waits = this.#options.wait || input.reconnect !== false;
      if (!signal.aborted && !(waits && PASSING.includes(error.code))) this.#fail();
      throw error;
    } finally {
      signal.removeEventListener('abort', close);
    }
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
    this.#handlers.opened(bridge);
    // `done` tells what it ends in.
    void bridge.start().catch(() => undefined);
  }

  /** A camera that is missing is not waited for alone. */
  #endAlone(): void {
    if (this.#running === 0 && !this.#opening && !this.#options.wait) this.#end.abort();
  }

  #fail(): void {
    this.#failed = true;
    for (const bridge of this.bridges) void bridge.close();
  }

  /** Until it is there, or the others have ended, or as many attempts as the options say have failed. */
  async #wait(input: BridgeInput, first: BridgeError): Promise<void> {
    const attempts = typeof input.reconnect === 'number' ? input.reconnect : Number.POSITIVE_INFINITY;
    const { signal } = this.#end;
    let last = first;
    if (!signal.aborted) this.#handlers.waiting(String(input.port), first);
    for (let attempt = 1; attempt <= attempts && !signal.aborted; attempt++) {
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
      try {
        await pause(wait, signal);
        return await this.#open(input);
      } catch (cause) {
        if (signal.aborted) break;
        const error = asBridgeError(cause);
        if (error.code !== last.code) this.#handlers.waiting(String(input.port), error);
        last = error;
        if (!PASSING.includes(error.code)) break;
      }
    }
    this.missing.push(last);
  }

  /** Of several cameras the error says which one it is about. */
  #named(error: BridgeError, { port }: BridgeInput): BridgeError {
    if (this.#inputs.length === 1 || port === undefined || error.message.includes(port)) return error;
    const { code, message, context, cause } = error;
    return new BridgeError(code, `The camera on ${port}: ${message}`, { context, cause });
  }
}
