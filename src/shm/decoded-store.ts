/**
 * Stores that hold pixels. A frame is decoded off the event loop; while one is, only the newest of those that come is
 * kept, so a camera that is faster than the decoder costs frames here and never memory or time elsewhere.
 */
import { asBridgeError, type BridgeError } from '../errors.js';
import { decodePixels, type PixelFormat, type Pixels } from '../pixels.js';
import { channelNames } from './arrays/array-layout.js';
import { ArrayWriter, type ArrayWriterOptions } from './arrays/array-writer.js';
import type { FrameStore, StoredFrame } from './store.js';
import { openViznWriter, type ViznWriterOptions } from './vizn/vizn-writer.js';

/** Told what went wrong with a frame, after `write()` has returned; once, until it works again. */
export type Failed = (error: BridgeError) => void;

/** Where pixels go. */
interface Target {
  readonly name: string;
  readonly wanted: PixelFormat | 'NATIVE';
  publish(pixels: Pixels, frame: StoredFrame): void | Promise<void>;
  lost(): BridgeError | undefined;
  close(): void;
}

export class DecodedStore implements FrameStore {
  readonly name: string;
  /** Frames that a newer one replaced before they were decoded. */
  skipped = 0;
  readonly #target: Target;
  readonly #failed: Failed;
  #pending: StoredFrame | undefined;
  #working: Promise<void> | undefined;
  #failing = false;
  #open = true;

  constructor(target: Target, failed: Failed) {
    this.name = target.name;
    this.#target = target;
    this.#failed = failed;
  }

  /** It has told that it does not work, and has not worked since. */
  get failing(): boolean {
    return this.#failing;
  }

  lost(): BridgeError | undefined {
    return this.#target.lost();
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
        const pixels = await decodePixels(frame.jpeg, this.#target.wanted);
        if (this.#open) await this.#target.publish(pixels, frame);
        this.#failing = false;
      } catch (error) {
        if (this.#open && !this.#failing) this.#failed(asBridgeError(error, 'SHM_FAILED'));
        this.#failing = true;
      }
    }
    this.#working = undefined;
  }

  /** Resolves when nothing is being decoded. */
  async idle(): Promise<void> {
    await this.#working;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#pending = undefined;
    this.#target.close();
  }
}

/** A VIZN segment with decoded frames. Throws as `openViznWriter` does; what goes wrong later is told to `failed`. */
export function openDecodedVizn(
  options: ViznWriterOptions & { readonly format: PixelFormat },
  failed: Failed,
): DecodedStore {
  const writer = openViznWriter(options);
  const { format } = options;
  const target: Target = {
    name: writer.name,
    wanted: format,
    publish: ({ data, width, height }, { timestampMs, sequence }) =>
      writer.write({ pixels: data, format, width, height, timestampMs, sequence }),
    lost: () => writer.lost(),
    close: () => writer.close(),
  };
  return new DecodedStore(target, failed);
}

/**
 * The channel `image` of a base name with decoded frames: uint8, height x width x 3 in the order red, green, blue, or
 * height x width for grayscale. The segment is made when the first frame tells its shape. `onlyFree`: nothing that has
 * the names is replaced, but for what a dead bridge left. Throws `SHM_IN_USE`, `OPTION_INVALID`, `UNSUPPORTED` or
 * `SHM_FAILED`.
 */
export function openDecodedArrays(
  { onlyFree, ...options }: ArrayWriterOptions & { readonly onlyFree?: boolean },
  failed: Failed,
): DecodedStore {
  const writer = new ArrayWriter(options, onlyFree ? 'free' : undefined);
  writer.check('image');
  const target: Target = {
    name: channelNames(options.base, 'image').segment,
    wanted: 'NATIVE',
    publish: ({ data, width, height, channels }, { timestampMs, sequence }) => {
      const shape = channels === 1 ? [height, width] : [height, width, channels];
      return writer.setImage(data, { shape, timestampMs, sequence });
    },
    lost: () => writer.lost(),
    close: () => writer.close(),
  };
  return new DecodedStore(target, failed);
}
