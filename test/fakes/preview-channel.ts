/** The firmware's channel `stream` on a fake camera: previews that a test shows, by the rules of the vendor's C code. */
import { ChannelFlag } from '../../src/protocol/constants.js';
import type { DeviceChannel } from '../../src/virtual/device/device-types.js';
import type { FakeCamera } from './fake-camera.js';

export interface ShownPreview {
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A preview with its header, which is aligned to a cache line of 32 bytes. */
export function previewBytes({ format, width, height, data }: ShownPreview): Buffer {
  const bytes = Buffer.alloc(32 + data.length);
  bytes.writeUInt32LE(width, 0);
  bytes.writeUInt32LE(height, 4);
  bytes.writeUInt32LE(format, 8);
  bytes.writeUInt32LE((format & 0x0200_0000) === 0 ? format & 0xff : data.length, 12);
  bytes.writeUInt32LE(32, 16);
  bytes.writeFloatLE(30, 20);
  bytes.set(data, 32);
  return bytes;
}

export class FakePreview {
  enabled = false;
  locked = false;
  /** Previews that were read and unlocked, and pictures taken while one was locked, of which no event tells. */
  readonly taken: Uint8Array[] = [];
  unseen = 0;
  readonly ioctls: [request: number, words: number[]][] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  readonly #fake: FakeCamera;

  constructor(fake: FakeCamera) {
    this.#fake = fake;
    const channel: DeviceChannel = {
      name: 'stream',
      flags: ChannelFlag.READ | ChannelFlag.LOCK | ChannelFlag.STREAM,
      size: () => this.#bytes.length,
      lock: () => {
        if (this.#bytes.length === 0 || this.locked) return false;
        this.locked = true;
        return true;
      },
      unlock: () => {
        if (!this.locked) return true;
        this.taken.push(this.#bytes);
        this.#clear();
        return true;
      },
      readp: (offset, length) =>
        offset + length > this.#bytes.length ? undefined : this.#bytes.subarray(offset, offset + length),
      ioctl: (request, argument) => {
        const view = new DataView(argument.buffer, argument.byteOffset, argument.byteLength);
        const words = Array.from({ length: argument.length / 4 }, (_, at) => view.getUint32(4 * at, true));
        this.ioctls.push([request, words]);
        if (request === 0) {
          this.enabled = words[0] !== 0;
          this.#clear();
        }
        return 0;
      },
    };
    fake.device.register(channel, 3);
  }

  /** A snapshot: the picture before it becomes the preview. */
  show(preview: ShownPreview): void {
    this.#update(previewBytes(preview));
  }

  /** One that does not fit into the camera's buffer. */
  overflow(): void {
    this.#update(new Uint8Array(0));
  }

  #update(bytes: Uint8Array): void {
    if (!this.enabled) return;
    if (this.locked) {
      this.unseen++;
      return;
    }
    this.#bytes = bytes;
    this.#fake.device.sendEvent(3, 0xffff, false, this.#fake.clock.now());
  }

  #clear(): void {
    this.locked = false;
    this.#bytes = new Uint8Array(0);
  }
}
