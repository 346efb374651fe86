/**
 * Frames from the firmware's own preview, the channel `stream` that an IDE shows: of any script, which need not know of it. The
 * camera keeps one preview, the latest; a host locks it, reads it and unlocks it, which empties it. So a slow reader misses
 * pictures: those that were announced and not read are counted.
 */
import { type Clock, realClock, Signal } from '../async.js';
import type { Camera, Channel } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { checkJpeg } from '../jpeg.js';
import type { ByteRange } from '../link/index.js';
import { makeJpeg } from '../pixels.js';
import { SystemEvent } from '../protocol/index.js';
import { scriptEnded } from './frame-channel.js';
import { unixTime } from './frame-ledger.js';
import { isLoss, total } from './frame-reader.js';
import { type Preview, PreviewFormat, readPreview } from './preview.js';
import { disablePreview, enablePreview, PREVIEW_CHANNEL, type RawPreview } from './preview-channel.js';
import { previewPixels } from './preview-pixels.js';
import { PullPace } from './pull-pace.js';
import type { DropReason, Source, SourceHandlers } from './source.js';
import { StaleFrameGuard, type StalePolicy } from './stale-frame-guard.js';
import { untilRestart } from './until-restart.js';

/** How often `replaced` is told at most: with a slow reader it is normal. */
const TELL_MS = 1_000;
/** Rounds of reading again without any progress after which a preview is given up. */
const IDLE_ROUNDS = 50;
/** Frames whose pixels are kept as they came, for stores that have not decoded them yet. */
const KEPT_PIXELS = 4;
/** In front of a preview's data: its fields, and what aligns them. */
const LONGEST_HEADER = 256;

export interface PreviewOptions {
  /** Default: drop. */
  readonly stale?: StalePolicy;
  /** Pixels instead of JPEGs that the camera makes. */
  readonly raw?: RawPreview | undefined;
  /** Asked at the start, and when a script registers a channel: ends a run when the script gives frames better. */
  readonly unless?: ((camera: Camera) => Promise<boolean>) | undefined;
}

export class PreviewPuller implements Source {
  repairs = 0;
  readonly #handlers: SourceHandlers;
  readonly #options: PreviewOptions;
  readonly #clock: Clock;
  readonly #wake: Signal;
  readonly #pace: PullPace;
  readonly #guard: StaleFrameGuard;
  /** Problems that were told once. */
  readonly #told = new Set<string>();
  readonly #kept: (() => void)[] = [];
  /** The channel's events, and those up to the last preview that was looked at. */
  #events = 0;
  #spent = 0;
  #stale = false;
  #registered = false;
  #replaced = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(handlers: SourceHandlers, options: PreviewOptions = {}, clock = realClock) {
    const now = (): number => clock.now();
    this.#handlers = handlers;
    this.#options = options;
    this.#clock = clock;
    this.#wake = new Signal(clock);
    this.#pace = new PullPace(now);
    this.#guard = new StaleFrameGuard(now, options.stale ?? 'drop');
  }

  async run(camera: Camera, signal: AbortSignal): Promise<void> {
    const { restarts } = camera;
    const channel = camera.channel(PREVIEW_CHANNEL);
    const id = await channel.id(signal);
    // The first preview is of the picture before the first snapshot that follows, however long ago that was.
    this.#stale = this.#guard.mayBeStale(camera) && restarts === 0;
    this.#events = 0;
    this.#spent = 0;
    this.#registered = true;
    const wake = (): void => this.#wake.set();
    const listen = (): (() => void) =>
      camera.onChannelEvent(({ channelId, event }) => {
        if (channelId === id) this.#events++;
        else if (channelId !== 0) return;
        else if (event === SystemEvent.CHANNEL_REGISTERED)
          this.#registered = this.#options.unless !== undefined;
        wake();
      });
    const begin = (): Promise<void> => enablePreview(channel, this.#options.raw);
    const turn = async (): Promise<boolean> => {
      if (await this.#ended(camera)) return true;
      await this.#turn(camera, channel, signal);
      return false;
    };
    try {
      await untilRestart(camera, signal, { restarts, wake, listen, begin, turn });
    } finally {
      this.#tellReplaced(true);
      // Nothing reads previews any more: the camera need not make them.
      if (signal.aborted && camera.connected) await disablePreview(channel);
    }
  }

  /** Whether the script gives frames in another way by now. */
  async #ended(camera: Camera): Promise<boolean> {
    const { unless } = this.#options;
    if (!this.#registered || !unless) return false;
    this.#registered = false;
    return unless(camera);
  }

  /** One look, and the preview if there is one; then a wait for the next one's event. */
  async #turn(camera: Camera, channel: Channel, signal: AbortSignal): Promise<void> {
    if (this.#pace.doubtful() && !(await camera.running(signal))) throw scriptEnded();
    const room = this.#handlers.ready?.(signal);
    if (room) await room;
    this.#wake.clear();
    if (signal.aborted) return;
    try {
      const bytes = await this.#read(camera, channel);
      this.#guard.answered(camera);
      if (bytes) await this.#take(bytes);
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      // Refused: another host has it locked. A loss: the link has synchronised again, which has released the lock.
      if (error.code !== 'CAMERA_REFUSED' && !isLoss(error)) throw error;
      if (!camera.connected) throw camera.lost ?? error;
    }
    this.#tellReplaced(false);
    if (!signal.aborted) this.#pace.waited(await this.#wake.wait(this.#pace.waitMs));
  }

  /** The preview that the camera has, with its header; undefined: it has none, or it was given up. */
  async #read(camera: Camera, channel: Channel): Promise<Buffer | undefined> {
    const events = this.#events;
    // LOCK is refused while there is none, and cannot be told from a camera that is busy.
    if ((await channel.size()) === 0) {
      // An event without a preview behind it: it did not fit.
      if (events > this.#spent) this.#overflowed(events - this.#spent);
      this.#spent = Math.max(this.#spent, events);
      return undefined;
    }
    await channel.lock();
    // From here to the unlocking the camera makes no preview, and says nothing of the pictures it has taken.
    const { session } = camera;
    this.#replaced += Math.max(0, this.#events - this.#spent - 1);
    this.#spent = this.#events;
    this.#wake.clear();
    try {
      const size = await channel.size();
      if (size > camera.options.maxFrameBytes + LONGEST_HEADER) {
        this.#drop('too_large');
        return undefined;
      }
      return size === 0 ? undefined : await this.#readLocked(channel, session, size);
    } catch (error) {
      this.#drop('unreadable');
      throw error;
    } finally {
      // Without the answer the lock goes with the next synchronisation.
      if (camera.connected) await channel.unlock().catch(asLoss);
    }
  }

  /** Reads what is locked; what was damaged on the way is read again. */
  async #readLocked(channel: Channel, session: number, size: number): Promise<Buffer | undefined> {
    const buffer = Buffer.allocUnsafeSlow(size);
    let missing: readonly ByteRange[] = [{ from: 0, to: size }];
    let idle = 0;
    for (let round = 0; missing.length > 0; round++) {
      if (round > 0) this.repairs += missing.length;
      const before = total(missing);
      missing = await channel.readInto(buffer, 0, missing, { session });
      idle = total(missing) < before ? 0 : idle + 1;
      if (idle > IDLE_ROUNDS) {
        this.#drop('unreadable');
        return undefined;
      }
    }
    return buffer;
  }

  async #take(bytes: Buffer): Promise<void> {
    // When it was complete, not when it was decoded.
    const timestampMs = unixTime();
    this.#pace.taken();
    if (this.#stale) {
      this.#stale = false;
      this.#drop('stale');
      return;
    }
    const preview = readPreview(bytes);
    if ('problem' in preview) {
      this.#drop('corrupt');
      this.#tellOnce(`A preview of the camera ${preview.problem}. Its frames cannot be read from there.`);
      return;
    }
    const jpeg = preview.format === PreviewFormat.JPEG ? preview.data : await this.#convert(preview);
    const check = jpeg && checkJpeg(jpeg);
    if (!check || 'problem' in check) {
      this.#drop('corrupt');
      return;
    }
    const { width, height } = check.header;
    this.#handlers.frame({
      ...{ jpeg, width, height, timestampMs },
      captureNumber: undefined,
      capturedAtMs: undefined,
      capturedErrorMs: undefined,
    });
  }

  /** A JPEG of pixels, or of a PNG; undefined: it cannot be decoded. */
  async #convert(preview: Preview): Promise<Uint8Array | undefined> {
    try {
      const { jpeg, forget } = await makeJpeg((await previewPixels(preview)) ?? preview.data);
      this.#kept.push(forget);
      if (this.#kept.length > KEPT_PIXELS) this.#kept.shift()?.();
      return jpeg;
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'FRAME_CORRUPT') throw error;
      return undefined;
    }
  }

  #overflowed(count: number): void {
    this.#drop('too_large', count);
    this.#tellOnce(
      "A picture did not fit into the camera's buffer for previews. Let the script take smaller frames, or compress them more.",
    );
  }

  #drop(reason: DropReason, count = 1): void {
    this.#handlers.dropped(reason, count);
  }

  #tellOnce(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#handlers.failed?.(new BridgeError('FRAME_CORRUPT', message));
  }

  #tellReplaced(atEnd: boolean): void {
    const now = this.#clock.now();
    if (this.#replaced === 0 || (!atEnd && now - this.#toldAt < TELL_MS)) return;
    this.#toldAt = now;
    this.#drop('replaced', this.#replaced);
    this.#replaced = 0;
  }
}

function asLoss(error: unknown): void {
  if (!(error instanceof BridgeError)) throw error;
}
