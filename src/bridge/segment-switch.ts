/** The VIZN segment of a bridge, which a client may replace or take away while frames flow. */
import type { BridgeError } from '../errors.js';
import type { BridgeOptions } from '../options/index.js';
import {
  type DecodedStore,
  type FrameStore,
  openDecodedVizn,
  openViznWriter,
  type PixelFormat,
} from '../shm/index.js';
import type { FrameSinks, Sink } from './sinks.js';

export type SegmentOptions = Pick<BridgeOptions, 'shmName' | 'shmSize' | 'shmMode' | 'shmFormat'>;

export interface Segment {
  readonly name: string;
  /** Bytes, its header included. */
  readonly size: number;
}

export class SegmentSwitch {
  readonly #sinks: FrameSinks;
  readonly #failed: (error: BridgeError) => void;
  #options: SegmentOptions | undefined;

  /** `options`: of the segment that the bridge opens itself. */
  constructor(sinks: FrameSinks, options: BridgeOptions, failed: (error: BridgeError) => void) {
    this.#sinks = sinks;
    this.#failed = failed;
    this.#options = options.shm ? options : undefined;
  }

  /** The segment; null: there is none. */
  get present(): Segment | null {
    return this.#options ? { name: this.#options.shmName, size: this.#options.shmSize } : null;
  }

  /** Puts another segment in the place of the present one, which stays when that fails. SHM_*, OPTION_INVALID. */
  async open(options: SegmentOptions): Promise<void> {
    const before = this.#options;
    // Of two segments with one name the present one must go first.
    const sameName = before !== undefined && bareName(before.shmName) === bareName(options.shmName);
    if (sameName) await this.close();
    let sink: Sink;
    try {
      sink = segmentSink(options, this.#failed);
    } catch (error) {
      if (sameName) await this.#put(segmentSink(before, this.#failed), before);
      throw error;
    }
    await this.close();
    await this.#put(sink, options);
  }

  /** Takes the segment away. */
  async close(): Promise<void> {
    this.#options = undefined;
    await this.#sinks.remove('segment');
  }

  async #put(sink: Sink, options: SegmentOptions): Promise<void> {
    await this.#sinks.put('segment', sink);
    this.#options = options;
  }
}

/** A VIZN segment with the frame as it came, or with its pixels. SHM_*, OPTION_INVALID. */
export function segmentSink(options: SegmentOptions, failed: (error: BridgeError) => void): Sink {
  const { shmName, shmSize, shmMode, shmFormat } = options;
  const vizn = { name: shmName, size: shmSize, mode: shmMode };
  if (shmFormat === 'mjpg') return storeSink(openViznWriter(vizn));
  return storeSink(openDecodedVizn({ ...vizn, format: shmFormat.toUpperCase() as PixelFormat }, failed));
}

/** A place in shared memory as a sink. */
export function storeSink(store: FrameStore | DecodedStore): Sink {
  return {
    sharedName: store.name,
    get skipped() {
      return 'skipped' in store ? store.skipped : 0;
    },
    write: (frame) => store.write(frame),
    close: () => store.close(),
  };
}

/** A name in shared memory may be written with a slash before it. */
export const bareName = (name: string): string => name.replace(/^\//, '');
