/** The places in shared memory that every delivered frame is put into. */
import { asBridgeError, BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';
import {
  channelNames,
  type DecodedStore,
  type FrameStore,
  openDecodedArrays,
  openDecodedVizn,
  openRingWriter,
  openViznWriter,
  type PixelFormat,
} from '../shm/index.js';
import type { BridgeOptions } from './options.js';

/** The VIZN segment that there is. */
export interface Segment {
  readonly name: string;
  /** Bytes, its header included. */
  readonly size: number;
}

type SegmentOptions = Pick<BridgeOptions, 'shmName' | 'shmSize' | 'shmMode' | 'shmFormat'>;

export class Stores {
  readonly #stores: (FrameStore | DecodedStore)[] = [];
  readonly #failed: (error: BridgeError) => void;
  /** Stores whose failure has been told and that have not worked since. */
  readonly #failing = new Set<FrameStore>();
  #segment: { readonly store: FrameStore; readonly options: SegmentOptions } | undefined;

  /** `failed` is told what does not work; once for each store, until it works again. */
  constructor(failed: (error: BridgeError) => void) {
    this.#failed = failed;
  }

  /**
   * Opens what the options ask for. A full shared memory, or a machine that has none, is told and done without;
   * anything else (SHM_IN_USE, OPTION_INVALID ...) is thrown, and nothing stays open.
   */
  open(options: BridgeOptions): void {
    try {
      const { shmMode: mode, ring, arrays } = options;
      checkNames(options);
      if (options.shm) this.#add(() => this.#makeSegment(options));
      if (ring !== undefined) {
        const { ringSlots: slots, ringSlotSize: slotSize } = options;
        this.#add(() => openRingWriter({ name: ring, slots, slotSize, mode }));
      }
      if (arrays !== undefined) this.#add(() => openDecodedArrays({ base: arrays, mode }, this.#failed));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Name of the first store, by which events lead to the frame; null: there is none. */
  get name(): string | null {
    return this.#stores[0]?.name ?? null;
  }

  get segment(): Segment | null {
    return this.#segment ? { name: this.#segment.store.name, size: this.#segment.options.shmSize } : null;
  }

  /** Frames that a newer one replaced before they were decoded, in the stores there are. */
  get undecoded(): number {
    return this.#stores.reduce((sum, store) => sum + ('skipped' in store ? store.skipped : 0), 0);
  }

  /** Opens a VIZN segment in the place of the one there is, if any. What `openViznWriter` throws is thrown; then that one stays. */
  openSegment(options: SegmentOptions): void {
    const before = this.#segment;
    const sameName = before !== undefined && bare(before.options.shmName) === bare(options.shmName);
    if (sameName) this.closeSegment();
    try {
      this.#stores.unshift(this.#makeSegment(options));
    } catch (error) {
      if (sameName) this.#stores.unshift(this.#makeSegment(before.options));
      throw error;
    }
    if (before && !sameName) this.#remove(before.store);
  }

  /** Takes the VIZN segment away, if there is one. */
  closeSegment(): void {
    const store = this.#segment?.store;
    this.#segment = undefined;
    if (store) this.#remove(store);
  }

  /** Publishes a frame everywhere. */
  write(frame: Frame): void {
    for (const store of this.#stores) {
      try {
        store.write(frame);
        this.#failing.delete(store);
      } catch (error) {
        if (!this.#failing.has(store)) this.#failed(asBridgeError(error, 'SHM_FAILED'));
        this.#failing.add(store);
      }
    }
  }

  /** Takes them all away. Idempotent. */
  close(): void {
    this.#segment = undefined;
    for (const store of this.#stores.splice(0)) store.close();
  }

  #remove(store: FrameStore): void {
    this.#stores.splice(this.#stores.indexOf(store), 1);
    store.close();
  }

  #makeSegment(options: SegmentOptions): FrameStore {
    const { shmName, shmSize, shmMode, shmFormat } = options;
    const vizn = { name: shmName, size: shmSize, mode: shmMode };
    const format = shmFormat === 'mjpg' ? undefined : (shmFormat.toUpperCase() as PixelFormat);
    const store = format ? openDecodedVizn({ ...vizn, format }, this.#failed) : openViznWriter(vizn);
    this.#segment = { store, options };
    return store;
  }

  #add(open: () => FrameStore): void {
    try {
      this.#stores.push(open());
    } catch (error) {
      if (!(error instanceof BridgeError) || (error.code !== 'SHM_FULL' && error.code !== 'UNSUPPORTED')) {
        throw error;
      }
      this.#failed(error);
    }
  }
}

/** Throws `OPTION_INVALID` when two of the options make the same segment. */
function checkNames({ shm, shmName, ring, arrays }: BridgeOptions): void {
  const names = [
    ...(shm ? [{ option: '--shm-name', name: bare(shmName) }] : []),
    ...(ring === undefined ? [] : [{ option: '--ring', name: bare(ring) }]),
    ...(arrays === undefined
      ? []
      : [{ option: '--arrays', name: bare(channelNames(arrays, 'image').segment) }]),
  ];
  for (const [index, { option, name }] of names.entries()) {
    const other = names.slice(0, index).find((before) => before.name === name);
    if (other === undefined) continue;
    throw new BridgeError(
      'OPTION_INVALID',
      `${option} and ${other.option} both make the shared memory /${name}. Give ${option} another name.`,
      { context: { name: `/${name}` } },
    );
  }
}

/** A name in shared memory, which may be written with a slash before it. */
const bare = (name: string): string => name.replace(/^\//, '');
