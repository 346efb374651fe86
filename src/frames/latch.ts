/**
 * What a script's frame channel has latched: whether a frame waits, its size, and its number when the script
 * gives one. Scripts of two kinds are understood:
 *
 * - SHAPE gives (size, width, height, frame number), as firmware/frame_channel.py does: one question says all,
 *   and a new frame is told from one already read by its number.
 * - No SHAPE of that form, as in the vendor's example: CHANNEL_POLL, then SIZE. Such a script answers SIZE and READ for
 *   a frame that was read already, so the poll bit must be asked first.
 */
import type { Channel } from '../camera/index.js';
import { BridgeError } from '../errors.js';

export interface Latch {
  /** Bytes of the frame that waits; 0: none does. */
  readonly size: number;
  /** The script's number of it. */
  readonly number: number | undefined;
}

const NUMBERED_SHAPE = 4;
const NOTHING: Latch = { size: 0, number: undefined };

export class LatchReader {
  readonly #channel: Channel;
  /** Settled at the first question after each change of channels. */
  #numbered: boolean | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Another script may have taken the channel's place. */
  forget(): void {
    this.#numbered = undefined;
  }

  async read(): Promise<Latch> {
    if (this.#numbered !== false) {
      const shape = await this.#shape();
      this.#numbered = shape?.length === NUMBERED_SHAPE;
      if (shape && this.#numbered) return { size: shape[0]!, number: shape[3]! };
    }
    if (!(await this.#channel.poll())) return NOTHING;
    return { size: await this.#channel.size(), number: undefined };
  }

  /** undefined: the script's channel has no shape. */
  async #shape(): Promise<number[] | undefined> {
    try {
      return await this.#channel.shape();
    } catch (error) {
      // A refusal, or an empty shape: the script does not give one. One that has given one before is in trouble.
      const refused =
        error instanceof BridgeError && (error.code === 'CAMERA_REFUSED' || this.#isShort(error));
      if (refused && !this.#numbered) return undefined;
      throw error;
    }
  }

  #isShort(error: BridgeError): boolean {
    return error.code === 'CAMERA_PROTOCOL' && error.context['structure'] === 'shape';
  }
}
