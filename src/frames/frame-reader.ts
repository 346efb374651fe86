/**
 * Reads one latched frame so that nothing of it can be lost: what was damaged on the way is read again while the latch
 * still holds the frame. Without the window the last byte, whose reading releases the latch, is read only when all the rest
 * is in place.
 */
import type { Channel } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { type ByteRange, MAX_READ_FRAGMENTS } from '../link/index.js';
import type { CaptureTime } from './capture-clock.js';
import type { Latch } from './latch.js';
import { DATA_LIMIT, HEADER_BYTES, readHeader, WINDOW, type WindowHeader, windowOf } from './window.js';

const MARKER = 0xff;
const EOI = 0xd9;
/** Rounds of re-reading without any progress after which a frame is given up. */
const IDLE_ROUNDS = 50;

/**
 * How long a latch is trusted without asking again: the bundled script gives a frame up, for a change of settings, when
 * it has not been read from for 300 ms.
 */
export const TRUSTED_MS = 150;

/** What a READ of the window has brought so far. */
interface Begun {
  readonly buffer: Buffer;
  readonly missing: readonly ByteRange[];
  readonly header: WindowHeader;
  /** Some of what is missing was not asked for. */
  readonly short?: boolean;
}

/** A frame under way; kept over a resynchronisation when the script's number proves that it is still the same. */
export class FrameReader {
  readonly latch: Latch;
  /** It is read through the window: reading it releases nothing. */
  readonly windowed: boolean;
  #buffer: Buffer;
  readonly #header: WindowHeader | undefined;
  #missing: readonly ByteRange[];
  #rounds = 0;
  /** Ranges of what is missing that nothing has damaged. */
  #unread = 1;
  #idleRounds = 0;
  /** Ranges that were read again. */
  repairs = 0;
  /**
   * Set when the answer to the release was lost: whether the latch was released is not known, until it is seen open. The
   * frame itself is whole.
   */
  releaseUnknown = false;
  /** When it was captured, where the script tells. */
  captured: CaptureTime | undefined;

  constructor(latch: Latch, windowed = false, begun?: Begun) {
    const { size } = latch;
    const end = windowed ? windowOf(size) : size - 1;
    this.latch = latch;
    this.windowed = windowed;
    this.#buffer = begun?.buffer ?? Buffer.allocUnsafeSlow(windowed ? end : size);
    this.#missing = begun?.missing ?? (end > 0 ? [{ from: 0, to: end }] : []);
    this.#header = begun?.header;
    if (begun) {
      this.#rounds = 1;
      this.#unread = begun.short ? 1 : 0;
    }
  }

  /** The JPEG. */
  get bytes(): Buffer {
    return this.windowed ? this.#buffer.subarray(HEADER_BYTES, HEADER_BYTES + this.latch.size) : this.#buffer;
  }

  /** What the script attached to the frame, as it came; undefined: nothing. `too_large`: more than may be read. */
  get data(): Buffer | 'too_large' | undefined {
    const length = this.header?.data ?? 0;
    if (length === 0) return undefined;
    if (length > DATA_LIMIT) return 'too_large';
    const start = HEADER_BYTES + this.latch.size;
    return this.#buffer.subarray(start, start + length);
  }

  /** In front of the frame in its window; undefined: there is none. */
  get header(): WindowHeader | undefined {
    return this.#header ?? (this.windowed ? readHeader(this.#buffer) : undefined);
  }

  /** Whether what has been read so far belongs to the frame that is latched now. */
  continues(latch: Latch): boolean {
    return latch.number !== undefined && latch.number === this.latch.number && latch.size === this.latch.size;
  }

  /** Whether one READ of fragments of `maxPayload` bytes has brought all of it: then it cannot be of two frames. */
  fromOneRead(maxPayload: number): boolean {
    return this.windowed && this.#rounds === 1 && this.#buffer.length <= maxPayload * MAX_READ_FRAGMENTS;
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

  /** All of it, or all but the last byte. Ends in the errors of `Channel.readInto`, or FRAME_CORRUPT when it gets nowhere. */
  async readBody(channel: Channel, session: number): Promise<void> {
    while (this.#missing.length > 0) {
      const before = total(this.#missing);
      this.#rounds++;
      this.repairs += this.#missing.length - this.#unread;
      this.#unread = 0;
      const offset = this.windowed ? WINDOW : 0;
      this.#missing = await channel.readInto(this.#buffer, offset, this.#missing, { session });
      this.#idleRounds = total(this.#missing) < before ? 0 : this.#idleRounds + 1;
      if (this.#idleRounds > IDLE_ROUNDS) {
        throw new BridgeError('FRAME_CORRUPT', `A frame could not be read in ${IDLE_ROUNDS} attempts.`, {
          context: { size: this.latch.size, missing: this.#missing },
        });
      }
      if (this.#missing.length === 0) this.#extend();
    }
  }

  /** SHAPE does not say that there is data behind the JPEG: the header does. */
  #extend(): void {
    const { header, latch } = this;
    const read = this.#buffer.length;
    if (!header || header.number !== latch.number || header.size !== latch.size || header.total <= read)
      return;
    this.#buffer = Buffer.concat([this.#buffer], header.total);
    this.#missing = [{ from: read, to: header.total }];
    this.#unread = 1;
  }

  /**
   * The last byte, of a frame without a window. When its answer is lost, the byte is known all the same if the one before
   * it is FF: a JPEG ends in FF D9, and a frame that did not would not be delivered anyway. So it is when the line ends
   * first: the camera may have released its latch.
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

/** Bytes. */
export function total(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, range) => sum + range.to - range.from, 0);
}
