/** The frame channel of one connection: where it is, whether it lives, and what is known of its latch. */
import type { Camera, Channel } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { isLoss } from './frame-reader.js';
import { type Latch, LatchReader } from './latch.js';

/** A stopped script's channels stay and answer, but give no more frames. */
export function scriptEnded(channel: string): BridgeError {
  return new BridgeError(
    'CHANNEL_MISSING',
    `No script runs on the camera: the one that made its channel \`${channel}\` was stopped or has ended, so no more frames come. Run the script again.`,
    { context: { channel, running: false } },
  );
}

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
  /** Whether the latched frame may have waited for long before this connection. */
  stale: boolean;

  constructor(camera: Camera, name: string, stale: boolean) {
    this.camera = camera;
    this.channel = camera.channel(name);
    this.#latch = new LatchReader(this.channel);
    this.stale = stale;
  }

  /** Calls back for each event of the channel, and of the system; returns how to stop. */
  listen(changed: () => void): () => void {
    return this.camera.onChannelEvent(({ channelId }) => {
      if (channelId === this.#id) this.events++;
      else if (channelId !== 0) return;
      changed();
    });
  }

  /** What is latched, after looking the channel up where that is needed. CHANNEL_MISSING and the errors of `Channel`. */
  async look(): Promise<Latch> {
    const { generation } = this.camera;
    if (this.#generation !== generation) {
      const id = await this.channel.id();
      if (id !== this.#id) this.#latch.forget();
      this.#id = id;
      this.#generation = generation;
    }
    this.session = this.camera.session;
    // Acks on, a look at an open latch has to leave the script time to close it. One that an event has announced is closed.
    this.channel.prompt = this.events !== this.#eventsLooked;
    this.#eventsLooked = this.events;
    const latch = await this.#latch.read();
    this.channel.prompt = latch.size > 0;
    return latch;
  }

  /** What is latched now, in the session of the last `look`. */
  lookAgain(): Promise<Latch> {
    return this.#latch.read();
  }

  /** The channel is looked up again before the next `look`. */
  forget(): void {
    this.#generation = -1;
  }

  /**
   * Asks what may have changed without an event: another channel may have the name, and a stopped script's channel
   * still answers. CHANNEL_MISSING when no script runs.
   */
  async verify(): Promise<void> {
    this.camera.forgetChannels();
    if (!(await this.camera.running())) throw scriptEnded(this.channel.name);
  }

  /**
   * Reads the last byte only to open the latch. True: it is known to be open now (a refusal means that it was open
   * already).
   */
  async release(latch: Latch): Promise<boolean> {
    this.stale = false;
    try {
      const { session } = this;
      await this.channel.readInto(new Uint8Array(1), latch.size - 1, [{ from: 0, to: 1 }], { session });
      return true;
    } catch (error) {
      if (!(error instanceof BridgeError) || (error.code !== 'CAMERA_REFUSED' && !isLoss(error))) throw error;
      return error.code === 'CAMERA_REFUSED';
    }
  }
}
