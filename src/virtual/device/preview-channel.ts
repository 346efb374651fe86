/**
 * The IDE's preview (vendor: protocol/omv_protocol_channel_stream.c, lib/imlib/framebuffer.c): while a host has
 * enabled it, each snapshot leaves the picture before it here as a JPEG behind a header. The host locks it, reads
 * it and unlocks it, which empties it.
 */

import { ChannelFlag, PixelFormat, StreamIoctl } from '../../protocol/index.js';
import type { DeviceChannel } from './device-types.js';

/** The header's fields take 24 bytes; its data is aligned to a cache line of the processor. */
const HEADER_SIZE = 32;
/** No preview is longer. */
const LONGEST_READ = 64 * 1024 * 1024;
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
  enabled = false;
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

  constructor(notify: () => void) {
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
    if (request !== StreamIoctl.ENABLE) return 0;
    this.enabled = argument.some((byte) => byte !== 0);
    this.#locked = false;
    this.#size = 0;
    return 0;
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

  /** Takes a JPEG as the new preview. */
  update(jpeg: Uint8Array, width: number, height: number): void {
    if (!this.wanting) return;
    const size = HEADER_SIZE + jpeg.length;
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(size + (size >>> 1));
    const view = new DataView(this.#buffer.buffer);
    view.setUint32(0, width, true);
    view.setUint32(4, height, true);
    view.setUint32(8, PixelFormat.JPEG, true);
    view.setUint32(12, jpeg.length, true);
    view.setUint32(16, HEADER_SIZE, true);
    view.setFloat32(20, this.#frameMs > 0 ? 1000 / this.#frameMs : 0, true);
    this.#buffer.set(jpeg, HEADER_SIZE);
    this.#size = size;
    this.#shape = [jpeg.length];
    this.#notify();
  }
}
