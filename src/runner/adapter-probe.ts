import type { AdapterHello, AdapterMessage } from '../adapter/index.js';
import { Signal } from '../async.js';
import type { BridgeError } from '../errors.js';
import { AdapterProcess } from './adapter-process.js';
import type { LogLine } from './log-lines.js';
import { type RunnerOptions, resolveRunnerOptions } from './options.js';

/** What an adapter did. */
export type ProbeEvent =
  | { readonly kind: 'hello'; readonly hello: AdapterHello }
  | { readonly kind: 'message'; readonly message: Exclude<AdapterMessage, AdapterHello> }
  | { readonly kind: 'unusable'; readonly error: BridgeError; readonly requestId: string | undefined }
  /** It is gone, or going because of a broken message or a time limit. */
  | { readonly kind: 'end'; readonly error: BridgeError };

/** Most events kept that were not asked for. */
const MAX_EVENTS = 1_000;

/** One adapter under examination: what it does is collected, and waited for. It is not restarted. */
export class AdapterProbe {
  readonly process: AdapterProcess;
  readonly #events: ProbeEvent[] = [];
  readonly #came = new Signal();

  /** Starts the adapter, whose log goes to `log`. OPTION_INVALID. */
  constructor(options: RunnerOptions, log: (line: LogLine) => void = () => undefined) {
    this.process = new AdapterProcess(resolveRunnerOptions(options), {
      hello: (hello) => this.#add({ kind: 'hello', hello }),
      loaded: () => undefined,
      message: (message) => this.#add({ kind: 'message', message }),
      unusable: (error, requestId) => this.#add({ kind: 'unusable', error, requestId }),
      log,
      dying: (error) => this.#add({ kind: 'end', error }),
      exit: (error) => this.#add({ kind: 'end', error }),
    });
  }

  /**
   * The first event, past or future, that passes, or the adapter's end; undefined when `ms` are over. What passes is
   * taken; what does not stays for others.
   */
  async next(
    wanted: (event: ProbeEvent) => boolean,
    ms: number,
    signal?: AbortSignal,
  ): Promise<ProbeEvent | undefined> {
    const until = performance.now() + ms;
    for (;;) {
      const at = this.#events.findIndex((event) => wanted(event) || event.kind === 'end');
      const found = this.#events[at];
      // An end stays the answer to whatever is asked later.
      if (found !== undefined && found.kind !== 'end') this.#events.splice(at, 1);
      if (found !== undefined) return found;
      const left = until - performance.now();
      if (left <= 0) return undefined;
      await this.#came.wait(left, signal);
    }
  }

  /** How it ended, or why it is being ended. */
  ended(): BridgeError | undefined {
    return this.leftover('end').at(-1)?.error;
  }

  /** All events of a kind that were not waited for. */
  leftover<K extends ProbeEvent['kind']>(kind: K): Extract<ProbeEvent, { kind: K }>[] {
    return this.#events.filter((event): event is Extract<ProbeEvent, { kind: K }> => event.kind === kind);
  }

  #add(event: ProbeEvent): void {
    if (this.#events.length < MAX_EVENTS || event.kind === 'end') this.#events.push(event);
    this.#came.set();
  }
}
