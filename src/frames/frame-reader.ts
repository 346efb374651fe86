/**
 * Reads one latched frame so that nothing of it can be lost: all but its last byte first; what was damaged on
 * the way is read again while the latch still holds the frame; the last byte, whose reading releases the latch,
 * only when all the rest is in place.
 */
import type { Channel } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import type { ByteRange } from '../link/index.js';
import type { Latch } from './latch.js';

const MARKER = 0xff;
const EOI = 0xd9;
/** Rounds of re-reading without any progress after which a frame is given up. */
const IDLE_ROUNDS = 50;

/** A frame under way; kept over a resynchronisation when the script's number proves that it is still the same. */
export class FrameReader {
  readonly latch: Latch;
  readonly bytes: Buffer;
  #missing: readonly ByteRange[];
  #idleRounds = 0;
  /** Ranges that were read again. */
  repairs = 0;
  /**
   * Set when the answer to the last byte's reading was lost: whether the latch was released is not known, until it
   * is seen open. The frame itself is whole.
   */
  releaseUnknown = false;

  constructor(latch: Latch) {
    this.latch = latch;
    this.bytes = Buffer.allocUnsafeSlow(latch.size);
    this.#missing = latch.size > 1 ? [{ from: 0, to: latch.size - 1 }] : [];
  }

  /** Whether what has been read so far belongs to the frame that is latched now. */
  continues(latch: Latch): boolean {
    return latch.number !== undefined && latch.number === this.latch.number && latch.size === this.latch.size;
  }

  /**
   * Whether this is the capture that `last` was: possible only where the release of `last` is in doubt, that
   * is when the script's number is the same, or there is none and the answer to the release was lost. Then the
   * bytes decide, for a script that was restarted counts from the same number again.
   */
  repeats(last: FrameReader): boolean {
    const { number, size } = this.latch;
    const doubtful = number === undefined ? last.releaseUnknown : number === last.latch.number;
    if (!doubtful || size !== last.latch.size) return false;
    return this.bytes.compare(last.bytes, 0, size - 1, 0, size - 1) === 0;
  }

  /** Everything but the last byte. Ends in the errors of `Channel.readInto`, or FRAME_CORRUPT when it gets nowhere. */
  async readBody(channel: Channel, session: number): Promise<void> {
    while (this.#missing.length > 0) {
      const before = total(this.#missing);
      const first = before === this.latch.size - 1;
      if (!first) this.repairs += this.#missing.length;
      this.#missing = await channel.readInto(this.bytes, 0, this.#missing, { session });
      this.#idleRounds = total(this.#missing) < before ? 0 : this.#idleRounds + 1;
      if (this.#idleRounds > IDLE_ROUNDS) {
        throw new BridgeError('FRAME_CORRUPT', `A frame could not be read in ${IDLE_ROUNDS} attempts.`, {
          context: { size: this.latch.size, missing: this.#missing },
        });
      }
    }
  }

  /**
   * The last byte. When its answer is lost, the byte is known all the same if the one before it is FF: a JPEG
   * ends in FF D9, and a frame that did not would not be delivered anyway. So it is when the line ends first: the camera
   * may have released its latch.
   */
  async readLast(channel: Channel, session: number): Promise<void> {
    const last = this.latch.size - 1;
    // Without a number it could not be told whether the latch was released.
    const options = { session, once: this.latch.number === undefined };
    try {
      const missing = await channel.readInto(this.bytes, 0, [{ from: last, to: last + 1 }], options);
      if (missing.length === 0) return;
    } catch (error) {
      const unanswered = isLoss(error) || (error instanceof BridgeError && error.code === 'PORT_CLOSED');
      if (!unanswered || this.bytes[last - 1] !== MARKER) throw error;
    }
    this.bytes[last] = EOI;
    this.releaseUnknown = true;
  }
}

/** It is not known whether the camera carried the request out. */
export function isLoss(error: unknown): boolean {
  return (
    error instanceof BridgeError &&
    (error.code === 'CAMERA_SILENT' || error.code === 'CAMERA_PROTOCOL' || error.code === 'CAMERA_REBOOTED')
  );
}

function total(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, range) => sum + range.to - range.from, 0);
}
