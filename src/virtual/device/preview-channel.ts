/**
 * The IDE's preview (vendor: protocol/omv_protocol_channel_stream.c, lib/imlib/framebuffer.c): while a host has
 * enabled it, each snapshot leaves the picture before it here behind a header: as a JPEG, or as pixels where the host has asked
 * for these and the firmware can draw on their format. The host locks it, reads it and unlocks it, which empties it.
 */

import { ChannelFlag, PixelFormat, StreamIoctl } from '../../protocol/index.js';
import type { DeviceChannel } from './device-types.js';

/** The header's fields take 24 bytes; its data is aligned to a cache line of the processor. */
const HEADER_SIZE = 32;
/** No preview is longer. */
const LONGEST_READ = 64 * 1024 * 1024;
/** In a pixel format: the firmware can draw on it. */
const MUTABLE = 1 << 27;
const BYTES_A_PIXEL = 0xff;
/** Weight of the newest frame in the average frame time. */
const SMOOTHING = 0.1;

export class PreviewChannel implements DeviceChannel {
  readonly name = 'stream';
  readonly flags = ChannelFlag.READ | ChannelFlag.LOCK | ChannelFlag.STREAM;
  readonly ioctls: ReadonlyMap<number, number> = new Map([
    [StreamIoctl.ENABLE, 4],
    [StreamIoctl.RAW_ENABLE, 4],
    [StreamIoctl.RAW_CONFIG, 8],
    [StreamIoctl.SOURCE, 4],
  ]);
  enabled: boolean;
  /** Pixels are wanted, of this size at most; 0: JPEGs. */
  raw = { enabled: false, width: 0, height: 0 };
  /** Goes up with each session that ended: the link releases all locks then. */
  releases = 0;
  readonly #notify: () => void;
  #buffer = new Uint8Array(0);
  #size = 0;
  /** Width, height and bytes a pixel of none; then the length of the last JPEG, also when it has been read. */
  #shape: readonly number[] = [0, 0, 0];
  #locked = false;
  #lastUpdate = Number.NaN;
  #frameMs = 0;

  /** `enabled`: a host had enabled it before the interpreter was started again. */
  constructor(enabled: boolean, notify: () => void) {
    this.enabled = enabled;
    this.#notify = notify;
  }

  poll(): boolean {
    return this.#size > 0;
  }

  size(): number {
    return this.#size;
  }

  shape(): readonly number[] {
    return this.#shape;
  }

  lock(): boolean {
    if (this.#size === 0 || this.#locked) return false;
    this.#locked = true;
    return true;
  }

  unlock(): boolean {
    this.releases++;
    if (this.#locked) {
      this.#locked = false;
      this.#size = 0;
    }
    return true;
  }

  readp(offset: number, length: number): Uint8Array | undefined {
    // The firmware adds in 32 bits: an offset of 0xFFFFFFFF reads what lies before the buffer.
    const end = (offset + length) >>> 0;
    if (end > this.#size || length > LONGEST_READ) return undefined;
    return end < offset ? new Uint8Array(length) : this.#buffer.subarray(offset, end);
  }

  ioctl(request: number, argument: Uint8Array): number {
    const view = new DataView(argument.buffer, argument.byteOffset, argument.byteLength);
    if (request === StreamIoctl.ENABLE) {
      this.enabled = argument.some((byte) => byte !== 0);
      this.#locked = false;
      this.#size = 0;
    } else if (request === StreamIoctl.RAW_ENABLE) {
      this.raw.enabled = argument.some((byte) => byte !== 0);
    } else if (request === StreamIoctl.RAW_CONFIG) {
      // 16 bits of each, as the firmware keeps them.
      this.raw.width = view.getInt16(0, true);
      this.raw.height = view.getInt16(4, true);
    }
    return 0;
  }

  /** The size at which a frame of this format and size is shown as pixels; undefined: it is shown as a JPEG. */
  rawSize(format: number, width: number, height: number): { width: number; height: number } | undefined {
    const { raw } = this;
    if (!raw.enabled || raw.width <= 0 || raw.height <= 0 || (format & MUTABLE) === 0) return undefined;
    if (width <= raw.width && height <= raw.height) return { width, height };
    const scale = Math.min(raw.width / width, raw.height / height);
    return { width: Math.floor(width * scale), height: Math.floor(height * scale) };
  }

  /** A frame was taken; `now` in milliseconds. */
  countFrame(now: number): void {
    const elapsed = now - this.#lastUpdate;
    if (elapsed > 0) {
      this.#frameMs = this.#frameMs > 0 ? this.#frameMs * (1 - SMOOTHING) + elapsed * SMOOTHING : elapsed;
    }
    this.#lastUpdate = now;
  }

  /** Whether a picture would be taken: a host wants previews and is not reading one. */
  get wanting(): boolean {
    return this.enabled && !this.#locked;
  }

  /** Takes a JPEG, or pixels, as the new preview. */
  update(format: number, data: Uint8Array, width: number, height: number): void {
    if (!this.wanting) return;
    const isJpeg = format === PixelFormat.JPEG;
    const size = HEADER_SIZE + data.length;
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(size + (size >>> 1));
    const view = new DataView(this.#buffer.buffer);
    view.setUint32(0, width, true);
    view.setUint32(4, height, true);
    view.setUint32(8, format, true);
    view.setUint32(12, isJpeg ? data.length : format & BYTES_A_PIXEL, true);
    view.setUint32(16, HEADER_SIZE, true);
    view.setFloat32(20, this.#frameMs > 0 ? 1000 / this.#frameMs : 0, true);
    this.#buffer.set(data, HEADER_SIZE);
    this.#size = size;
    this.#shape = isJpeg ? [data.length] : [width, height, format & BYTES_A_PIXEL];
    this.#notify();
  }
}
