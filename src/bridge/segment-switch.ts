/** The VIZN segment of a bridge, which a client may replace or take away while frames flow. */
import type { BridgeOptions } from '../options/index.js';
import {
  type DecodedStore,
  type FrameStore,
  openDecodedVizn,
  openViznWriter,
  type PixelFormat,
} from '../shm/index.js';
import type { OpenSink, Sink } from './sink.js';
import type { FrameSinks } from './sinks.js';

export type SegmentOptions = Pick<BridgeOptions, 'shmName' | 'shmSize' | 'shmMode' | 'shmFormat'>;

export interface Segment {
  readonly name: string;
  /** Bytes, its header included. */
  readonly size: number;
}

export class SegmentSwitch {
  readonly #sinks: FrameSinks;
  #options: SegmentOptions | undefined;

  /** `options`: of the segment that the bridge opens itself. */
  constructor(sinks: FrameSinks, options: BridgeOptions) {
    this.#sinks = sinks;
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
    try {
      await this.#sinks.replace('segment', segmentSink(options));
      this.#options = options;
    } catch (error) {
      if (sameName) {
        await this.#sinks.add('segment', segmentSink(before), { again: true });
        this.#options = before;
      }
      throw error;
    }
  }

  /** Takes the segment away. */
  async close(): Promise<void> {
    this.#options = undefined;
    await this.#sinks.remove('segment');
  }
}

/** Opens a VIZN segment with the frame as it came, or with its pixels. SHM_*, OPTION_INVALID. */
export function segmentSink({ shmName, shmSize, shmMode, shmFormat }: SegmentOptions): OpenSink {
  const vizn = { name: shmName, size: shmSize, mode: shmMode };
  return (failed) => {
    if (shmFormat === 'mjpg') return storeSink(openViznWriter(vizn));
    return storeSink(openDecodedVizn({ ...vizn, format: shmFormat.toUpperCase() as PixelFormat }, failed));
  };
}

/** A place in shared memory as a sink. */
export function storeSink(store: FrameStore | DecodedStore): Sink {
  return {
    sharedName: store.name,
    get skipped() {
      return 'skipped' in store ? store.skipped : 0;
    },
    get failing() {
      return 'failing' in store && store.failing;
    },
    write: ({ jpeg, width, height, takenAtMs, sequence }) =>
      store.write({ jpeg, width, height, timestampMs: takenAtMs, sequence }),
    lost: () => store.lost(),
    close: () => store.close(),
  };
}

/** A name in shared memory may be written with a slash before it. */
export const bareName = (name: string): string => name.replace(/^\//, '');
