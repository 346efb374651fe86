/**
 * Binds a host machine to a byte stream and the clock: bytes from the stream go in, packets go out, one timer
 * follows the machine's deadline. Requests become promises.
 */
import { Alarm, abortable, type Clock, realClock } from '../async.js';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Capabilities } from '../protocol/index.js';
import type { ByteStream } from './byte-stream.js';
import { HostLink } from './host-link.js';
import type { HostLinkOptions, LinkOutcome, LinkRequest, LinkStats, LossReason } from './link-types.js';
import { PacketWriter } from './packet-writer.js';

/** What the driver reports. */
export interface LinkDriverHandlers {
  event(channel: number, event: number): void;
  /** Synchronized again after `reason`: locks are gone, channels may have changed. */
  resynced(reason: LossReason): void;
  /** The line is over; called exactly once. Without an error `close()` was called. */
  closed(error?: BridgeError): void;
}

const NOTHING = new Uint8Array(0);

export class LinkDriver {
  readonly #stream: ByteStream;
  readonly #link: HostLink;
  readonly #handlers: LinkDriverHandlers;
  readonly #writer: PacketWriter;
  /** The clock of this line, for all that waits for the camera. */
  readonly clock: Clock;
  readonly #alarm: Alarm;
  /** A deadline has come, and the line is read once more before the machine hears of it. */
  #lastRead: NodeJS.Immediate | undefined;
  /** Made once, because chunks come by the thousand. */
  readonly #receive = (now: number, chunk: Uint8Array): void => this.#link.receive(chunk, now);
  #ended = false;
  #settleConnect: { resolve(caps: Capabilities): void; reject(error: BridgeError): void } | undefined;

  constructor(stream: ByteStream, options: HostLinkOptions, handlers: LinkDriverHandlers, clock = realClock) {
    this.clock = clock;
    this.#alarm = new Alarm(clock, () => this.#fire());
    this.#stream = stream;
    this.#handlers = handlers;
    this.#writer = new PacketWriter((bytes) => stream.write(bytes));
    this.#link = new HostLink(options, {
      transmit: (bytes) => this.#writer.send(bytes),
      event: (channel, event) => {
        handlers.event(channel, event);
      },
      ready: (caps, reason) => {
        this.#settleConnect?.resolve(caps);
        this.#settleConnect = undefined;
        if (reason !== undefined) handlers.resynced(reason);
      },
      failed: (error) => {
        this.#end(error);
      },
    });
  }

  get stats(): LinkStats {
    return this.#link.stats;
  }

  /** See `HostLink.session`. */
  get session(): number {
    return this.#link.session;
  }

  get caps(): Capabilities {
    return this.#link.caps;
  }

  /** Whether requests can be made: not before `connect` has resolved, not after the line is over. */
  get open(): boolean {
    return !this.#ended;
  }

  /**
   * Synchronizes and negotiates. Rejects with CAMERA_SILENT, CAMERA_PROTOCOL, the line's own error, or
   * `signal.reason`; the line is closed then.
   */
  async connect({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Capabilities> {
    try {
      signal?.throwIfAborted();
      return await abortable(this.#connect(), signal);
    } catch (error) {
      this.#end(signal?.aborted ? undefined : asBridgeError(error));
      throw error;
    }
  }

  #connect(): Promise<Capabilities> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(new BridgeError('PORT_CLOSED', `The line ${this.#stream.name} is closed.`));
        return;
      }
      this.#settleConnect = { resolve, reject };
      this.#stream.start({
        data: (chunk) => {
          this.#run(this.#receive, chunk);
        },
        closed: (error) => {
          this.#end(error ?? new BridgeError('PORT_CLOSED', `The line ${this.#stream.name} was closed.`));
        },
      });
      if (!this.#ended) this.#run((now) => this.#link.connect(now));
    });
  }

  /**
   * How it ended is in the outcome. Rejects only with `signal.reason`; nothing is written to the destination then, and
   * a request that has not been sent is not.
   */
  request(request: Omit<LinkRequest, 'settle'>, signal?: AbortSignal): Promise<LinkOutcome> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = (): void => {
        this.#link.cancel(submitted);
        reject(signal?.reason);
      };
      const submitted: LinkRequest = {
        ...request,
        settle: (outcome) => {
          signal?.removeEventListener('abort', abort);
          resolve(outcome);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.submit(submitted);
    });
  }

  /** As `request`, for callers in a hurry: `settle` is called from within the turn in which the reply is complete. */
  submit(request: LinkRequest): void {
    this.#link.submit(request, this.clock.now());
    this.#arm();
  }

  /** What is submitted in `action` leaves in one write, as what is submitted in a `settle` or an event does by itself. */
  together(action: () => void): void {
    this.#run(action);
  }

  /** Starts again with SYNC, for a caller that has reason to distrust the session. */
  resync(): void {
    this.#link.resync(this.clock.now(), 'timeout');
    this.#arm();
  }

  /** Closes the line. Requests under way are settled as lost. Idempotent. */
  async close(): Promise<void> {
    this.#end(undefined);
    await this.#stream.close();
  }

  #end(error: BridgeError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#alarm.stop();
    clearImmediate(this.#lastRead);
    this.#link.close();
    this.#writer.flush();
    this.#settleConnect?.reject(error ?? new BridgeError('PORT_CLOSED', 'The connection was closed.'));
    this.#settleConnect = undefined;
    void this.#stream.close();
    this.#handlers.closed(error);
  }

  #arm(): void {
    if (!this.#ended && !this.#lastRead) this.#alarm.set(this.#link.deadline());
  }

  /**
   * After a turn that took long the event loop runs its timers before it reads: the bytes that the machine waits
   * for may have been in the kernel for long. An immediate runs behind the reading, so they come first.
   */
  #fire(): void {
    if (this.#due()) this.#lastRead = setImmediate(() => this.#tick());
    else this.#arm();
  }

  #tick(): void {
    this.#lastRead = undefined;
    if (this.#due()) this.#run((now) => this.#link.tick(now));
    else this.#arm();
  }

  #due(): boolean {
    const deadline = this.#link.deadline();
    return deadline !== undefined && this.clock.now() >= deadline;
  }

  /** A call into the machine. An error in it, or in what it reports to, ends the line. */
  #run(call: (now: number, chunk: Uint8Array) => void, chunk: Uint8Array = NOTHING): void {
    this.#writer.begin();
    try {
      call(this.clock.now(), chunk);
    } catch (error) {
      this.#end(asBridgeError(error));
    } finally {
      this.#writer.end();
    }
    this.#arm();
  }
}
