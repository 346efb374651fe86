/** The cameras of a run: opened at the same time; one that is missing is waited for while another is there. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bridge } from '../bridge/bridge.js';
import { openBridge } from '../bridge/open-bridge.js';
import type { BridgeInput } from '../bridge/options.js';
import { asBridgeError, BridgeError, type ErrorCode } from '../errors.js';

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

export class Cameras {
  readonly bridges: Bridge[] = [];
  /** Cameras that never came, and why. */
  readonly missing: BridgeError[] = [];
  readonly #inputs: readonly BridgeInput[];
  readonly #handlers: CameraHandlers;
  readonly #end = new AbortController();
  #failed = false;
  #running = 0;

  constructor(inputs: readonly BridgeInput[], handlers: CameraHandlers) {
    this.#inputs = inputs;
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
    if (missing.length > 0 && (this.#failed || this.bridges.length === 0)) {
      await this.close();
      throw new AggregateError(missing.map(({ error }) => error));
    }
    await Promise.all(missing.map(({ input, error }) => this.#wait(input, error)));
    const lives = await Promise.allSettled(this.bridges.map((bridge) => bridge.done));
    await this.close();
    return lives;
  }

  /** Ends them all, and the waiting. */
  async close(): Promise<void> {
    this.#end.abort();
    await Promise.all(this.bridges.map((bridge) => bridge.close()));
  }

  async #open(input: BridgeInput): Promise<void> {
    let bridge: Bridge;
    try {
      bridge = await openBridge(input);
    } catch (cause) {
      const error = this.#named(asBridgeError(cause), input);
      // Without it there is no run: the others are not to begin.
      if (input.reconnect === false || !PASSING.includes(error.code)) this.#fail();
      throw error;
    }
    if (this.#failed || this.#end.signal.aborted) {
      await bridge.close();
      return;
    }
    this.bridges.push(bridge);
    this.#running++;
    const over = (): void => {
      this.#running--;
      // A camera that is missing is not waited for alone.
      if (this.#running === 0) this.#end.abort();
    };
    bridge.done.then(over, over);
    this.#handlers.opened(bridge);
    // `done` tells what it ends in.
    void bridge.start().catch(() => undefined);
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
    this.#handlers.waiting(String(input.port), first);
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
      await pause(wait, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      try {
        // An attempt under way holds up nobody's end: what it opens then is closed at once.
        await Promise.race([this.#open(input), aborted(signal)]);
        if (!signal.aborted) return;
      } catch (cause) {
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

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
