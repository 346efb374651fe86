/**
 * Pulls frames from a camera's frame channel, one after the other. The channel's events say when; the puller asks
 * without one only after a while (the first frame has none, and one may be lost).
 */
import { realClock, Signal } from '../async.js';
import type { Camera } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { checkJpeg } from '../jpeg.js';
import { FrameChannel } from './frame-channel.js';
import { FrameReader, isLoss } from './frame-reader.js';
import type { Latch } from './latch.js';
import { PullPace } from './pull-pace.js';
import type { Source, SourceHandlers } from './source.js';
import { StaleFrameGuard } from './stale-frame-guard.js';

/**
 * How long a latch is trusted without asking again: the bundled script gives a frame up, for a change of settings, when
 * it has not been read from for 300 ms.
 */
const TRUSTED_MS = 150;

export class FramePuller implements Source {
  /** Frames begun again after a resynchronisation, and frames released again without a second delivery. */
  readonly stats = { repairs: 0, restarts: 0, released: 0 };
  readonly #channelName: string;
  readonly #handlers: SourceHandlers;
  readonly #wake: Signal;
  readonly #now: () => number;
  readonly #pace: PullPace;
  readonly #guard: StaleFrameGuard;
  #reader: FrameReader | undefined;
  /** The last frame taken, to recognise it when its release was lost on the way. */
  #last: FrameReader | undefined;
  /** The channel's events before the last release. */
  #eventsBefore = 0;

  constructor(channelName: string, handlers: SourceHandlers, clock = realClock) {
    this.#channelName = channelName;
    this.#handlers = handlers;
    this.#wake = new Signal(clock);
    this.#now = () => clock.now();
    this.#pace = new PullPace(this.#now);
    this.#guard = new StaleFrameGuard(this.#now);
  }

  get repairs(): number {
    return this.stats.repairs;
  }

  async run(camera: Camera, signal: AbortSignal): Promise<void> {
    const { restarts } = camera;
    // A script that started in this connection has latched the frame in this connection.
    const stale = this.#guard.mayBeStale(camera) && restarts === 0;
    const source = new FrameChannel(camera, this.#channelName, stale);
    const wake = (): void => this.#wake.set();
    const stopListening = source.listen(wake);
    const subscription = camera.events$.subscribe((event) => {
      // Another script may count from the same number again: what was read so far proves nothing then.
      if (event.type !== 'resynced' || event.reason === 'sequence') this.#reader = undefined;
      wake();
    });
    signal.addEventListener('abort', wake);
    this.#reader = undefined;
    try {
      while (!signal.aborted && camera.restarts === restarts) await this.#turn(source, signal);
    } catch (error) {
      // A restart explains what went wrong in it; what is left to do is the same.
      if (signal.aborted || (camera.connected && camera.restarts !== restarts)) return;
      throw error;
    } finally {
      stopListening();
      subscription.unsubscribe();
      signal.removeEventListener('abort', wake);
    }
  }

  /** One look at the latch, and the frame if there is one. */
  async #turn(source: FrameChannel, signal: AbortSignal): Promise<void> {
    try {
      const room = this.#handlers.ready?.(signal);
      if (room) await room;
      // Cleared before the question: what is latched after it sets it again.
      this.#wake.clear();
      if (signal.aborted) return;
      const latch = await source.look();
      if (latch.size > 0) await this.#take(source, latch);
      else this.#seenOpen(source);
      this.#guard.answered(source.camera);
      if (signal.aborted) return;
      this.#pace.waited(await this.#wake.wait(this.#pace.waitMs));
      if (!signal.aborted && this.#pace.doubtful()) await source.verify();
    } catch (error) {
      await this.#recover(source, error);
    }
  }

  /** Nothing is latched: the next frame is a new one, even with the bytes of the frame before it. */
  #seenOpen(source: FrameChannel): void {
    source.stale = false;
    if (this.#last) this.#last.releaseUnknown = false;
  }

  async #take(source: FrameChannel, latch: Latch): Promise<void> {
    const { camera, channel, session } = source;
    const begun = this.#now();
    if (latch.size > camera.options.maxFrameBytes) {
      this.#handlers.dropped('too_large', 1);
      this.#last = undefined;
      await source.release(latch);
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
    // With acks on nothing in a reply shows that the camera began again with a number that fits by chance; and a frame
    // that was not read from for a while may have made room for a change of settings.
    const doubtful = camera.info().link.ack || this.#now() - begun > TRUSTED_MS;
    if (doubtful && latch.number !== undefined && !reader.continues(await source.lookAgain())) return;
    this.#eventsBefore = source.events;
    await reader.readLast(channel, session);
    if (!camera.connected && !camera.lost) return;
    const { stale } = source;
    source.stale = false;
    this.#countSkipped(latch.number);
    this.#last = reader;
    this.#pace.taken();
    if (stale) this.#handlers.dropped('stale', 1);
    else this.#deliver(reader);
  }

  /**
   * The frame that was taken last is latched once more. Without a number that may be another capture with the same
   * bytes: it is counted, unless events show that nothing was latched since.
   */
  async #releaseAgain(source: FrameChannel, latch: Latch, last: FrameReader): Promise<void> {
    this.stats.released++;
    const quiet = source.events > 0 && source.events === this.#eventsBefore;
    if (latch.number === undefined && !quiet) this.#handlers.dropped('repeated', 1);
    this.#eventsBefore = source.events;
    if (await source.release(latch)) last.releaseUnknown = false;
  }

  #deliver(reader: FrameReader): void {
    const check = checkJpeg(reader.bytes);
    if ('problem' in check) {
      this.#handlers.dropped('corrupt', 1);
      return;
    }
    const { width, height } = check.header;
    this.#handlers.frame({
      jpeg: reader.bytes,
      width,
      height,
      timestampMs: unixTime(),
      captureNumber: reader.latch.number,
    });
  }

  /** Captures between the last frame and this one that never came. A lower number is a script that started again. */
  #countSkipped(number: number | undefined): void {
    const last = this.#last?.latch.number;
    if (number === undefined || last === undefined) return;
    const skipped = number - last - 1;
    if (skipped > 0) this.#handlers.dropped('skipped', skipped);
  }

  /** After an error: look again where that may help, else pass it on. */
  async #recover(source: FrameChannel, error: unknown): Promise<void> {
    if (!(error instanceof BridgeError)) throw error;
    if (error.code === 'FRAME_CORRUPT' && this.#reader) {
      this.#handlers.dropped('unreadable', 1);
      const given = this.#reader;
      this.#last = given;
      this.#reader = undefined;
      await source.release(given.latch);
    } else if (error.code === 'CAMERA_REFUSED') {
      // Not latched any more, or the channel is another one: the table tells.
      source.forget();
      this.stats.restarts++;
      await this.#wake.wait(this.#pace.waitMs);
    } else if (isLoss(error)) {
      // The link has synchronised again: ask what is latched before anything else.
      this.stats.restarts++;
      if (error.code === 'CAMERA_REBOOTED') source.forget();
    } else {
      throw error;
    }
  }
}

/** What the system's clock differs by when it was set, beyond the millisecond that it cuts off. */
const CLOCK_SET_MS = 2;
let monotonicOriginMs = performance.timeOrigin;

/** Unix time in milliseconds, to the microsecond. */
function unixTime(): number {
  const now = Date.now();
  const precise = monotonicOriginMs + performance.now();
  if (Math.abs(precise - now) < CLOCK_SET_MS) return Math.round(precise * 1_000) / 1_000;
  monotonicOriginMs += now - precise;
  return now;
}
