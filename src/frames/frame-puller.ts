/**
 * Pulls frames from a camera's frame channel, one after the other, for as long as it is asked to. Driven by the
 * channel's events; it asks by itself only when none has come for a while (the first frame has none, and one may
 * be lost).
 */
import type { Camera } from '../camera/camera.js';
import { BridgeError } from '../errors.js';
import { Absence } from './absence.js';
import { FrameReader, isLoss } from './frame-reader.js';
import { checkJpeg } from './jpeg.js';
import { type Latch, LatchReader } from './latch.js';
import { PullPace } from './pull-pace.js';
import { findChannel, makeSure, release, type Source } from './source.js';
import { Wake } from './wake.js';

/** A frame as it comes from the camera, before it is numbered. */
export interface PulledFrame {
  readonly jpeg: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Unix milliseconds at which it was complete here; it may have waited latched before. */
  readonly timestampMs: number;
  readonly captureNumber: number | undefined;
}

/**
 * Why a captured frame is not delivered. `corrupt`: it is no JPEG from SOI to EOI; `too_large`: beyond the limit;
 * `unreadable`: the line let nothing of it through; `skipped`: the camera's numbers show captures that this host
 * never got, as when another host read them or the script was restarted; `stale`: it waited at the camera while
 * nobody was connected; `repeated`: it is byte for byte the frame before it, whose release is in doubt, and the
 * script gives no number to tell a new capture from the same one.
 */
export type DropReason = 'corrupt' | 'too_large' | 'unreadable' | 'skipped' | 'stale' | 'repeated';

export interface PullerHandlers {
  /** A frame. While a returned promise is pending nothing is pulled: the camera keeps the next one latched. */
  frame(frame: PulledFrame): void | Promise<void>;
  dropped(reason: DropReason, count: number): void;
  /** Whether to pull now; resolves when the consumer is ready for a frame. */
  ready?(): Promise<void>;
}

export interface PullerStats {
  /** Ranges read again because they were damaged on the way. */
  repairs: number;
  /** Frames begun anew after a resynchronisation. */
  restarts: number;
  /** Frames whose release was uncertain and that were released again without being delivered twice. */
  released: number;
}

/**
 * How long a latch is trusted without being asked again; the bundled script gives a frame up, for a change of
 * settings, when it has not been read from for 300 ms.
 */
const TRUSTED_MS = 150;

export class FramePuller {
  readonly stats: PullerStats = { repairs: 0, restarts: 0, released: 0 };
  readonly #channelName: string;
  readonly #handlers: PullerHandlers;
  readonly #wake = new Wake();
  readonly #pace: PullPace;
  readonly #absence: Absence;
  #stopped = false;
  #reader: FrameReader | undefined;
  /** The last frame taken, to know it again when its release was lost on the way. */
  #last: FrameReader | undefined;
  /** The channel's events before the last release. */
  #eventsBefore = 0;

  constructor(channelName: string, handlers: PullerHandlers, now: () => number = () => performance.now()) {
    this.#channelName = channelName;
    this.#handlers = handlers;
    this.#pace = new PullPace(now);
    this.#absence = new Absence(now);
  }

  /**
   * Pulls from a camera. Resolves after `stop()`; rejects with CHANNEL_MISSING (also when the script has ended and
   * left its channel), PORT_CLOSED and the like when it cannot go on. May be called again with the same camera, or
   * with another connection to it: what was delivered is remembered.
   */
  async run(camera: Camera): Promise<void> {
    const channel = camera.channel(this.#channelName);
    const source: Source = {
      camera,
      channel,
      latch: new LatchReader(channel),
      generation: -1,
      channelId: -1,
      session: -1,
      events: 0,
      old: this.#absence.leavesOld(camera),
    };
    const stopListening = camera.onChannelEvent(({ channelId }) => {
      if (channelId === source.channelId) source.events++;
      else if (channelId !== 0) return;
      this.#wake.set();
    });
    const subscription = camera.events$.subscribe((event) => {
      // Another script may count from the same number again: what was read so far proves nothing then.
      if (event.type !== 'resynced' || event.reason === 'sequence') this.#reader = undefined;
      this.#wake.set();
    });
    this.#reader = undefined;
    try {
      while (!this.#stopped) await this.#turn(source);
    } finally {
      stopListening();
      subscription.unsubscribe();
    }
  }

  /** Ends `run` after the frame under way. */
  stop(): void {
    this.#stopped = true;
    this.#wake.set();
  }

  /** One look at the latch, and the frame if there is one. */
  async #turn(source: Source): Promise<void> {
    try {
      await this.#handlers.ready?.();
      if (this.#stopped) return;
      await findChannel(source);
      // Cleared before the question: what is latched after it sets it again.
      this.#wake.clear();
      // What is read must belong to the session in which the latch was looked at.
      source.session = source.camera.session;
      const latch = await source.latch.read();
      if (latch.size > 0) await this.#take(source, latch);
      else this.#seenOpen(source);
      this.#absence.answered(source.camera);
      if (!this.#stopped) this.#pace.waited(!(await this.#wake.wait(this.#pace.waitMs)));
      if (!this.#stopped && this.#pace.doubtful()) await makeSure(source);
    } catch (error) {
      await this.#recover(source, error);
    }
  }

  /** Nothing is latched: what will be is new, even if it has the bytes of the frame before it. */
  #seenOpen(source: Source): void {
    source.old = false;
    if (this.#last) this.#last.releaseUnknown = false;
  }

  async #take(source: Source, latch: Latch): Promise<void> {
    const { camera, channel, session } = source;
    const begun = performance.now();
    // A script that has begun in this connection has latched it in this connection.
    if (camera.restarts > 0) source.old = false;
    if (latch.size > camera.options.maxFrameBytes) {
      this.#handlers.dropped('too_large', 1);
      this.#last = undefined;
      await release(source, latch);
      return;
    }
    const reader = this.#reader?.continues(latch) ? this.#reader : new FrameReader(latch);
    this.#reader = reader;
    const { repairs } = reader;
    try {
      await reader.readBody(channel, session);
    } finally {
      this.stats.repairs += reader.repairs - repairs;
    }
    this.#reader = undefined;
    if (this.#last && reader.repeats(this.#last)) {
      await this.#releaseAgain(source, latch, this.#last);
      return;
    }
    // With acks on nothing in a reply betrays a camera that began anew and whose number fitted by chance; and a
    // frame that nobody touches for a while may make room for a change of settings.
    const doubtful = camera.info().link.ack || performance.now() - begun > TRUSTED_MS;
    if (doubtful && latch.number !== undefined && !reader.continues(await source.latch.read())) return;
    this.#eventsBefore = source.events;
    await reader.readLast(channel, session);
    const { old } = source;
    source.old = false;
    this.#countSkipped(latch.number);
    this.#last = reader;
    this.#pace.taken();
    if (old) this.#handlers.dropped('stale', 1);
    else await this.#deliver(reader);
  }

  /**
   * The frame that was taken last is latched once more. Without a number that may be another capture of the same
   * bytes: it is counted, unless events show that nothing was latched since.
   */
  async #releaseAgain(source: Source, latch: Latch, last: FrameReader): Promise<void> {
    this.stats.released++;
    const quiet = source.events > 0 && source.events === this.#eventsBefore;
    if (latch.number === undefined && !quiet) this.#handlers.dropped('repeated', 1);
    this.#eventsBefore = source.events;
    if (await release(source, latch)) last.releaseUnknown = false;
  }

  async #deliver(reader: FrameReader): Promise<void> {
    const check = checkJpeg(reader.bytes);
    if ('problem' in check) {
      this.#handlers.dropped('corrupt', 1);
      return;
    }
    const { width, height } = check.header;
    await this.#handlers.frame({
      jpeg: reader.bytes,
      width,
      height,
      timestampMs: Date.now(),
      captureNumber: reader.latch.number,
    });
  }

  /** Captures between the last frame and this one that never came. A lower number is a script begun anew. */
  #countSkipped(number: number | undefined): void {
    const last = this.#last?.latch.number;
    if (number === undefined || last === undefined) return;
    const skipped = number - last - 1;
    if (skipped > 0) this.#handlers.dropped('skipped', skipped);
  }

  /** After an error: look again where that may help, else let it out. */
  async #recover(source: Source, error: unknown): Promise<void> {
    if (!(error instanceof BridgeError)) throw error;
    if (error.code === 'FRAME_CORRUPT' && this.#reader) {
      this.#handlers.dropped('unreadable', 1);
      const given = this.#reader;
      this.#last = given;
      this.#reader = undefined;
      await release(source, given.latch);
    } else if (error.code === 'CAMERA_REFUSED') {
      // Not latched any more, or the channel is another one: the table tells.
      source.generation = -1;
      this.stats.restarts++;
      await this.#wake.wait(this.#pace.waitMs);
    } else if (isLoss(error)) {
      // The link has synchronised anew: ask what is latched before anything else.
      this.stats.restarts++;
      if (error.code === 'CAMERA_REBOOTED') source.generation = -1;
    } else {
      throw error;
    }
  }
}
