/**
 * Stores that hold pixels. A frame is decoded off the event loop; while one is, only the newest of those that come is
 * kept, so a camera that is faster than the decoder costs frames here and never memory or time elsewhere.
 */
import { asBridgeError, type BridgeError } from '../errors.js';
import { type ArrayWriterOptions, openArrayWriter } from './arrays/array-writer.js';
import { decodePixels, type Pixels, type WantedPixels } from './pixels.js';
import type { FrameStore, StoredFrame } from './store.js';
import type { PixelFormat } from './vizn/vizn-layout.js';
import { openViznWriter, type ViznWriterOptions } from './vizn/vizn-writer.js';

export interface DecodedStore extends FrameStore {
  /** Frames that a newer one replaced before they were decoded. */
  readonly skipped: number;
  /** Resolves when nothing is being decoded. */
  idle(): Promise<void>;
}

/** Told what went wrong with a frame, after `write()` has returned; once, until it works again. */
export type Failed = (error: BridgeError) => void;

class LatestDecoded implements DecodedStore {
  readonly name: string;
  skipped = 0;
  readonly #wanted: WantedPixels;
  readonly #publish: (pixels: Pixels, frame: StoredFrame) => void | Promise<void>;
  readonly #end: () => void;
  readonly #failed: Failed;
  #pending: StoredFrame | undefined;
  #working: Promise<void> | undefined;
  /** It has been told that it does not work, and has not worked since. */
  #failing = false;
  #open = true;

  constructor(
    name: string,
    wanted: WantedPixels,
    publish: (pixels: Pixels, frame: StoredFrame) => void | Promise<void>,
    end: () => void,
    failed: Failed,
  ) {
    this.name = name;
    this.#wanted = wanted;
    this.#publish = publish;
    this.#end = end;
    this.#failed = failed;
  }

  write(frame: StoredFrame): void {
    if (!this.#open) return;
    if (this.#pending) this.skipped++;
    this.#pending = frame;
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    for (let frame = this.#pending; frame !== undefined; frame = this.#pending) {
      this.#pending = undefined;
      try {
        const pixels = await decodePixels(frame.jpeg, this.#wanted);
        if (this.#open) await this.#publish(pixels, frame);
        this.#failing = false;
      } catch (error) {
        if (this.#open && !this.#failing) this.#failed(asBridgeError(error, 'SHM_FAILED'));
        this.#failing = true;
      }
    }
    this.#working = undefined;
  }

  async idle(): Promise<void> {
    await this.#working;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#pending = undefined;
    this.#end();
  }
}

/** A VIZN segment with decoded frames. Throws as `openViznWriter` does; what goes wrong later is told to `failed`. */
export function openDecodedVizn(
  options: ViznWriterOptions & { readonly format: PixelFormat },
  failed: Failed,
): DecodedStore {
  const writer = openViznWriter(options);
  const { format } = options;
  return new LatestDecoded(
    writer.name,
    format,
    ({ data, width, height }, { timestampMs, sequence }) =>
      writer.write({ pixels: data, format, width, height, timestampMs, sequence }),
    () => writer.close(),
    failed,
  );
}

/**
 * The channel `image` of a base name with decoded frames: uint8, height x width x 3 in the order red, green, blue, or
 * height x width for grayscale. The segment is made when the first frame tells its shape. Throws `SHM_IN_USE`,
 * `OPTION_INVALID`, `UNSUPPORTED` or `SHM_FAILED`.
 */
export function openDecodedArrays(options: ArrayWriterOptions, failed: Failed): DecodedStore {
  const writer = openArrayWriter(options);
  writer.check('image');
  return new LatestDecoded(
    `/${options.base.replace(/^\//, '')}_image_shm`,
    'NATIVE',
    ({ data, width, height, channels }, { timestampMs, sequence }) =>
      writer.setImage(data, {
        shape: channels === 1 ? [height, width] : [height, width, channels],
        timestampMs,
        sequence,
      }),
    () => writer.close(),
    failed,
  );
}
