/** The frame channel of one connection: where it is, whether it lives, and what is known of its latch. */
import type { Camera, Channel } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { isLoss } from './frame-reader.js';
import { type Latch, LatchReader } from './latch.js';
import { HEADER_BYTES, numbersBetween, readHeader, releaseOffset, WINDOW, windowBytes } from './window.js';

/** A stopped script's channels stay and answer, but give no more frames. Without a channel: frames are previews. */
export function scriptEnded(channel?: string): BridgeError {
  if (channel === undefined) {
    return new BridgeError(
      'CHANNEL_MISSING',
      'No script runs on the camera, so it takes no pictures, and has no previews. Run a script that takes some.',
      { context: { running: false } },
    );
  }
  return new BridgeError(
    'CHANNEL_MISSING',
    `No script runs on the camera: the one that made its channel \`${channel}\` was stopped or has ended, so no more frames come. Run the script again.`,
    { context: { channel, running: false } },
  );
}

/** Events whose sizes are kept: more captures than a script has buffers for. A power of two. */
const KEPT = 8;
/** The other channel of the bundled script. */
const CONTROL = 'control';
/** Captures that a camera may have kept while no host was there: one latched, one behind it. */
const MOST_KEPT = 2;

export class FrameChannel {
  readonly camera: Camera;
  readonly channel: Channel;
  readonly #latch: LatchReader;
  /** Of the camera's channel table when the channel was last looked up. */
  #generation = -1;
  #id = -1;
  /** Of the link when the latch was last read. What is read of the frame must belong to it. */
  session = -1;
  /** Events of the channel so far. */
  events = 0;
  /** Those before the last look. */
  #eventsLooked = 0;
  /** Of the events, how many belong to captures that have been read or are gone. */
  #spent = 0;
  /** Bytes of the window that each of the last events announced. */
  readonly #announced = new Uint32Array(KEPT);
  /** Whether `#spent` is right for sure: the latch was seen open, and no event was lost since. */
  #certain = false;
  /** The script's number of the last frame taken. */
  #lastNumber: number | undefined;
  /** The script serves the window: one of its events has said so. */
  #windowed = false;
  /** Whether it does was asked, because nothing is known before its first event. */
  #asked = false;
  #refused = false;
  /** The number of a frame that its script keeps elsewhere. */
  #withoutWindow: number | undefined;
  /** How many of the next captures may have waited for long before this connection. */
  suspects: number;

  /** `begunAt`: now. */
  constructor(
    camera: Camera,
    name: string,
    stale: boolean,
    readonly begunAt: number,
  ) {
    this.camera = camera;
    this.channel = camera.channel(name);
    this.#latch = new LatchReader(this.channel);
    this.suspects = stale ? MOST_KEPT : 0;
  }

  /** Calls back for each event of the channel, and of the system; returns how to stop. */
  listen(changed: () => void): () => void {
    return this.camera.onChannelEvent(({ channelId, event }) => {
      if (channelId === this.#id) {
        const bytes = windowBytes(event);
        this.#announced[this.events % KEPT] = bytes;
        this.events++;
        // A script with a window gives a shape, whatever was the matter when it was asked for one.
        if (bytes > 0 && !this.#windowed) this.#latch.forget();
        if (bytes > 0) this.#windowed = true;
      } else if (channelId !== 0) return;
      changed();
    });
  }

  get id(): number {
    return this.#id;
  }

  /** Whether its script serves the window. */
  get windowed(): boolean {
    return this.#windowed && !this.#refused;
  }

  /** What its events announce is no window after all. */
  refuseWindow(): void {
    this.#refused = true;
  }

  /** The camera has refused to show this frame through the window. */
  hasNoWindow({ number }: Latch): void {
    this.#withoutWindow = number;
  }

  /** Whether a frame can be read through the window. */
  shows({ number }: Latch): boolean {
    return this.windowed && number !== undefined && number !== this.#withoutWindow;
  }

  /** Whether the link and the channel table are those of the last look. */
  get current(): boolean {
    return this.camera.session === this.session && this.camera.generation === this.#generation;
  }

  /** Whether a capture that was not read yet waits at the camera, or may wait there without an event. */
  get waiting(): boolean {
    return this.events > this.#spent || !this.#certain;
  }

  /** Bytes of its window, likely where there was no event; 0: it has none. */
  get waitingBytes(): number {
    const event = Math.min(this.#spent, this.events - 1);
    return event < 0 ? 0 : this.#announced[event % KEPT]!;
  }

  /** The latch was open when `events` events had come: they announce nothing any more, and no other capture waits. */
  seenOpen(events: number): void {
    this.#spend(events);
    this.#certain = true;
  }

  /**
   * A frame was taken that was read after `eventsBefore` events. Its number says how many captures, and events, are over:
   * some of them may have been given up unread, and an event may have been lost.
   */
  took({ number }: Latch, eventsBefore: number): void {
    const last = this.#lastNumber;
    const ahead = number === undefined || last === undefined ? -1 : numbersBetween(last, number);
    this.#lastNumber = number;
    if (ahead < 0) this.#spend(eventsBefore);
    else this.#spent += ahead;
    if (this.#spent > this.events) {
      this.#spent = this.events;
      this.#certain = false;
    }
    this.suspects = Math.max(0, this.suspects - 1);
  }

  /** What is latched, after looking the channel up where that is needed. CHANNEL_MISSING and the errors of `Channel`. */
  async look(): Promise<Latch> {
    const { generation } = this.camera;
    if (this.#generation !== generation) {
      const id = await this.channel.id();
      if (id !== this.#id) this.#changed();
      this.#id = id;
      this.#generation = generation;
    }
    this.session = this.camera.session;
    const { events } = this;
    // Acks on, a look at an open latch has to leave the script time to close it. One that an event has announced is closed.
    this.channel.prompt = events !== this.#eventsLooked;
    this.#eventsLooked = events;
    const latch = await this.#latch.read();
    this.channel.prompt = latch.size > 0;
    if (latch.size === 0) {
      this.seenOpen(events);
      this.suspects = 0;
    } else if (latch.number !== undefined && !this.#windowed && !this.#asked) await this.#askForWindow();
    return latch;
  }

  /**
   * Only the header tells when a frame was captured and what is attached to it, also of one that waited before the first
   * event. Not every script may be asked for it: one might take the READ for that of its last byte. The bundled script and
   * those around it are known by their other channel.
   */
  async #askForWindow(): Promise<void> {
    const channels = await this.camera.channels();
    if (channels.some(({ name }) => name === CONTROL)) {
      const header = Buffer.alloc(HEADER_BYTES);
      const all = [{ from: 0, to: HEADER_BYTES }];
      try {
        const missing = await this.channel.readInto(header, WINDOW, all, { session: this.session });
        if (missing.length > 0) return;
        this.#windowed = readHeader(header) !== undefined;
      } catch (error) {
        if (!(error instanceof BridgeError) || error.code !== 'CAMERA_REFUSED') throw error;
      }
    }
    this.#asked = true;
  }

  /** What is latched now, in the session of the last `look`. */
  lookAgain(): Promise<Latch> {
    return this.#latch.read();
  }

  /** The channel is looked up again before the next `look`. */
  forget(): void {
    this.#generation = -1;
  }

  /** Another script has made the channel. */
  #changed(): void {
    this.#latch.forget();
    this.#windowed = false;
    this.#asked = false;
    this.#refused = false;
    this.#withoutWindow = undefined;
    this.#lastNumber = undefined;
    this.#certain = false;
    this.#spend(this.events);
  }

  #spend(events: number): void {
    this.#spent = Math.max(this.#spent, events);
  }

  /**
   * Asks what may have changed without an event: another channel may have the name, and a stopped script's channel
   * still answers. CHANNEL_MISSING when no script runs.
   */
  async verify(signal: AbortSignal): Promise<void> {
    this.camera.forgetChannels();
    if (!(await this.camera.running(signal))) throw scriptEnded(this.channel.name);
  }

  /**
   * Opens the latch: by the frame's number, or by reading its last byte. True: it is known to be open now (a refusal means
   * that it was open already).
   */
  async release({ size, number }: Latch): Promise<boolean> {
    const offset = this.windowed && number !== undefined ? releaseOffset(number) : size - 1;
    try {
      const { session } = this;
      const missing = await this.channel.readInto(new Uint8Array(1), offset, [{ from: 0, to: 1 }], {
        session,
      });
      return missing.length === 0;
    } catch (error) {
      if (!(error instanceof BridgeError) || (error.code !== 'CAMERA_REFUSED' && !isLoss(error))) throw error;
      return error.code === 'CAMERA_REFUSED';
    }
  }
}
