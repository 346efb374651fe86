/**
 * Pulls frames from a camera's frame channel, one after the other. The channel's events say when; the puller asks
 * without one only after a while (the first frame has none, and one may be lost). Where the script has a window, frames
 * come through it (`WindowStream`) until something unusual happens; this file looks what is latched then, and repairs.
 */
import { type Clock, realClock, Signal } from '../async.js';
import type { Camera } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { CaptureClock } from './capture-clock.js';
import { FrameChannel } from './frame-channel.js';
import { FrameLedger } from './frame-ledger.js';
import { FrameReader, isLoss, TRUSTED_MS } from './frame-reader.js';
import type { Latch } from './latch.js';
import { PullPace } from './pull-pace.js';
import type { Source, SourceHandlers } from './source.js';
import { StaleFrameGuard, type StalePolicy } from './stale-frame-guard.js';
import { untilRestart } from './until-restart.js';
import { WindowStream } from './window-stream.js';

export class FramePuller implements Source {
  /** Frames begun again after a resynchronisation, and frames released again without a second delivery. */
  readonly stats = { repairs: 0, restarts: 0, released: 0 };
  readonly #channelName: string;
  readonly #handlers: SourceHandlers;
  readonly #clock: Clock;
  readonly #wake: Signal;
  readonly #pace: PullPace;
  readonly #guard: StaleFrameGuard;
  readonly #ledger: FrameLedger;
  #reader: FrameReader | undefined;
  /** When the first READ of that frame was sent. */
  #begunAt = 0;
  #captures = new CaptureClock();
  /** The channel's events before the last release. */
  #eventsBefore = 0;
  /** The channel's events before the answer to the last look. */
  #eventsSeen = 0;

  constructor(channelName: string, handlers: SourceHandlers, clock = realClock, stale: StalePolicy = 'drop') {
    const now = (): number => clock.now();
    this.#channelName = channelName;
    this.#handlers = handlers;
    this.#clock = clock;
    this.#wake = new Signal(clock);
    this.#pace = new PullPace(now);
    this.#guard = new StaleFrameGuard(now, stale);
    this.#ledger = new FrameLedger(handlers, clock);
  }

  get repairs(): number {
    return this.stats.repairs;
  }

  get damagedData(): number {
    return this.#ledger.damagedData;
  }

  async run(camera: Camera, signal: AbortSignal): Promise<void> {
    const { restarts } = camera;
    // A script that started in this connection has latched the frame in this connection.
    const stale = this.#guard.mayBeStale(camera) && restarts === 0;
    const source = new FrameChannel(camera, this.#channelName, stale, this.#clock.now());
    const stream = this.#stream(source, signal);
    const wake = (): void => {
      this.#wake.set();
      stream.changed();
    };
    this.#reader = undefined;
    this.#captures = new CaptureClock();
    await untilRestart(camera, signal, {
      restarts,
      wake,
      listen: () => source.listen(wake),
      told: (event) => {
        // Another script may count from the same number again: what was read so far proves nothing then.
        if (event.type !== 'resynced' || event.reason === 'sequence') this.#reader = undefined;
      },
      turn: async () => {
        await this.#turn(source, stream, signal);
        return false;
      },
    });
  }

  /** How frames come as long as all goes well. */
  #stream(source: FrameChannel, signal: AbortSignal): WindowStream {
    const owner = {
      room: () => this.#handlers.ready?.(signal),
      whole: (reader: FrameReader, eventsBefore: number, sentAt: number, answeredAt: number) => {
        this.#tellCapture(reader, sentAt, answeredAt);
        if (this.#ledger.knows(reader)) this.stats.released++;
        else this.#taken(source, reader, eventsBefore);
      },
      partial: (reader: FrameReader, sentAt: number) => {
        this.#reader = reader;
        this.#begunAt = sentAt;
      },
      noWindow: () => this.#refuseWindow(source),
      releaseUnknown: () => {
        if (this.#ledger.last) this.#ledger.last.releaseUnknown = true;
      },
    };
    return new WindowStream(source, owner, this.#pace, this.#clock);
  }

  /** Frames through the window; then one look at the latch, and the frame if there is one. */
  async #turn(source: FrameChannel, stream: WindowStream, signal: AbortSignal): Promise<void> {
    try {
      if (source.windowed && source.suspects === 0 && !this.#reader) {
        if ((await stream.run(signal)) === 'aborted') return;
      }
      if (this.#pace.doubtful()) await source.verify(signal);
      const room = this.#handlers.ready?.(signal);
      if (room) await room;
      // Cleared before the question: what is latched after it sets it again.
      this.#wake.clear();
      if (signal.aborted) return;
      const { events } = source;
      const latch = await source.look();
      this.#eventsSeen = source.events;
      const { suspects } = source;
      if (latch.size > 0) await this.#take(source, latch, events);
      else {
        // Nothing is latched: the next frame is a new one, even with the bytes of the frame before it.
        this.#reader = undefined;
        if (this.#ledger.last) this.#ledger.last.releaseUnknown = false;
      }
      this.#guard.answered(source.camera);
      // What is latched right behind an old frame has waited there as well.
      if (signal.aborted || source.windowed || suspects > 1) return;
      this.#pace.waited(await this.#wake.wait(this.#pace.waitMs));
    } catch (error) {
      await this.#recover(source, error);
    }
  }

  async #take(source: FrameChannel, latch: Latch, events: number): Promise<void> {
    const { camera, channel, session } = source;
    const begun = this.#clock.now();
    if (latch.size > camera.options.maxFrameBytes) {
      this.#ledger.giveUp(undefined, 'too_large');
      source.took(latch, events);
      await source.release(latch);
      return;
    }
    const continued = this.#reader?.continues(latch) ? this.#reader : undefined;
    const reader = continued ?? new FrameReader(latch, source.shows(latch));
    if (!continued) this.#begunAt = begun;
    this.#reader = reader;
    const { repairs } = reader;
    try {
      await reader.readBody(channel, session);
    } finally {
      this.stats.repairs += reader.repairs - repairs;
    }
    this.#reader = undefined;
    if (reader.windowed && !this.#hasHeader(source, reader)) return;
    this.#tellCapture(reader, this.#begunAt, this.#clock.now());
    const { last } = this.#ledger;
    if (last && this.#ledger.knows(reader)) {
      await this.#releaseAgain(source, latch, last, events);
      return;
    }
    // With acks on nothing in a reply shows that the camera began again with a number that fits by chance; and a frame
    // that was not read from for a while may have made room for a change of settings.
    const doubtful = camera.info().link.ack || this.#clock.now() - begun > TRUSTED_MS;
    if (doubtful && latch.number !== undefined && !reader.fromOneRead(channel.maxPayload)) {
      if (!reader.continues(await source.lookAgain())) return;
    }
    // Whether it is old is in its header: an event has just told that there is one.
    if (!reader.windowed && source.suspects === 1 && source.shows(latch)) return;
    const before = source.events;
    if (!reader.windowed) await reader.readLast(channel, session);
    if (camera.connected || camera.lost) this.#taken(source, reader, events);
    this.#eventsBefore = before;
    if (reader.windowed) reader.releaseUnknown = !(await source.release(latch));
  }

  /** A frame is whole. It is delivered now, whatever becomes of its release. */
  #taken(source: FrameChannel, reader: FrameReader, events: number): void {
    const stale = this.#isOld(source, reader);
    source.took(reader.latch, events);
    this.#pace.taken();
    this.#guard.answered(source.camera);
    this.#ledger.take(reader, stale);
  }

  /**
   * Whether a frame may have waited since before this connection: the first one that is latched, and the one right behind it,
   * unless the camera's clock shows that it was captured later, or for the second an event of this connection.
   */
  #isOld({ suspects, begunAt }: FrameChannel, { header }: FrameReader): boolean {
    if (suspects === 0) return false;
    if (!header) return suspects > 1 || this.#eventsSeen === 0;
    return header.age === undefined || header.age / 1_000 > this.#clock.now() - begunAt;
  }

  #tellCapture(reader: FrameReader, sentAt: number, answeredAt: number): void {
    const { header } = reader;
    if (header) reader.captured = this.#captures.take(header, sentAt, answeredAt);
  }

  /** Whether what was read through the window is the frame that was latched before. */
  #hasHeader(source: FrameChannel, { header, latch }: FrameReader): boolean {
    if (!header) this.#refuseWindow(source);
    return header?.number === latch.number && header?.size === latch.size;
  }

  #refuseWindow(source: FrameChannel): void {
    source.refuseWindow();
    this.#handlers.failed?.(
      new BridgeError(
        'CAMERA_PROTOCOL',
        `The script of channel \`${this.#channelName}\` announces frames with a header, but sends another one. Its frames are read without it, at more requests a frame. Send the script of this version to the camera.`,
      ),
    );
  }

  /**
   * The frame that was taken last is latched once more. Without a number that may be another capture with the same
   * bytes: it is counted, unless events show that nothing was latched since.
   */
  async #releaseAgain(source: FrameChannel, latch: Latch, last: FrameReader, events: number): Promise<void> {
    this.stats.released++;
    const quiet = source.events > 0 && source.events === this.#eventsBefore;
    if (latch.number === undefined && !quiet) this.#handlers.dropped('repeated', 1);
    this.#eventsBefore = source.events;
    source.took(latch, events);
    if (await source.release(latch)) last.releaseUnknown = false;
  }

  /** After an error: look again where that may help, else pass it on. */
  async #recover(source: FrameChannel, error: unknown): Promise<void> {
    if (!(error instanceof BridgeError)) throw error;
    const reader = this.#reader;
    if (error.code === 'FRAME_CORRUPT' && reader) {
      this.#ledger.giveUp(reader, 'unreadable');
      this.#reader = undefined;
      source.took(reader.latch, source.events);
      await source.release(reader.latch);
    } else if (error.code === 'CAMERA_REFUSED') {
      this.stats.restarts++;
      if (reader?.windowed) {
        this.#reader = undefined;
        source.hasNoWindow(reader.latch);
        return;
      }
      // Not latched any more, or the channel is another one: the table tells.
      source.forget();
      this.#pace.waited(await this.#wake.wait(this.#pace.waitMs));
    } else if (isLoss(error)) {
      // The link has synchronised again: ask what is latched before anything else.
      this.stats.restarts++;
      if (error.code === 'CAMERA_REBOOTED') source.forget();
    } else {
      throw error;
    }
  }
}
