/** A segment of any layout as a source of frames, chosen by what it begins with. */
import { BridgeError } from '../errors.js';
import { ARRAY_HEADER_SIZE, ARRAY_MAGIC, type DType } from './arrays/array-layout.js';
import { ArraySegmentReader, tellsTime } from './arrays/array-segment.js';
import type { CountedFrame } from './frame.js';
import { type SegmentView, viewSegment } from './memory/segment-view.js';
import { systemCode } from './memory/system-errors.js';
import type { ShmState } from './reader-state.js';
import { RING_MAGIC, RING_OFFSET } from './ring/ring-layout.js';
import { ringReader, type SegmentRingReader } from './ring/ring-reader.js';
import type { RingLease } from './ring/ring-types.js';
import { type SegmentReader, viznReader } from './vizn/vizn-reader.js';

/** A frame of any layout, copied: it stays as it is. */
export interface ShmFrame extends CountedFrame {
  /** Of an array. */
  readonly shape: readonly number[] | undefined;
  readonly dtype: DType | undefined;
}

export type ShmLayout = 'vizn' | 'ring' | 'array';

/** One opened segment. */
export interface FrameSource {
  readonly name: string;
  readonly layout: ShmLayout;
  /** Bytes. */
  readonly size: number;
  /** The wake word: where it is (undefined: nobody wakes), and its value now, which throws as `next()` does. */
  readonly wakeAddress: number | undefined;
  readonly wake: () => number;
  /** The next frame that this source has not given yet. */
  next(): ShmFrame | undefined;
  /** Of a ring: the next frame in place. */
  lease?(): RingLease | undefined;
  /** The newest frame, given before or not. */
  latest(): ShmFrame | undefined;
  /** What is there already is not given by `next()`. */
  skip(): void;
  /** Whether its writer closed it, or its name leads elsewhere: cheaper than `state()`. */
  gone(): boolean;
  state(): ShmState;
  close(): void;
}

const NO_ARRAY = { shape: undefined, dtype: undefined };
const MAX_U32 = 0xffff_ffff;
const NS_PER_MS = 1e6;

function viznSource(reader: SegmentReader): FrameSource {
  let last: number | undefined;
  const read = (after: number | undefined): ShmFrame | undefined => {
    const found = reader.latest(after);
    if (found === undefined) return undefined;
    // The count skips 0 when it wraps.
    const ahead = after === undefined || found.sequence <= after ? 1 : found.sequence - after;
    return { ...found, missed: (ahead - 1) % MAX_U32, ...NO_ARRAY };
  };
  return {
    name: reader.name,
    layout: 'vizn',
    size: reader.size,
    wakeAddress: reader.wakeAddress,
    wake: () => reader.wake,
    next() {
      const frame = read(last);
      if (frame) last = frame.sequence;
      return frame;
    },
    latest: () => read(undefined),
    skip() {
      last = reader.state().sequence || undefined;
    },
    gone: () => reader.gone,
    state: () => reader.state(),
    close: () => reader.close(),
  };
}

function ringSource(reader: SegmentRingReader): FrameSource {
  const complete = (frame: ReturnType<SegmentRingReader['next']>): ShmFrame | undefined =>
    frame && { ...frame, ...NO_ARRAY };
  return {
    name: reader.name,
    layout: 'ring',
    size: reader.size,
    wakeAddress: reader.view.address + RING_OFFSET.wake,
    wake: () => reader.wake,
    next: () => complete(reader.next()),
    lease: () => reader.lease(),
    latest: () => complete(reader.latest()),
    skip: () => reader.skip(),
    gone: () => reader.gone,
    state: () => reader.state(),
    close: () => reader.close(),
  };
}

function arraySource(reader: ArraySegmentReader): FrameSource {
  let last: number | undefined;
  const read = (): ShmFrame | undefined => {
    const snapshot = reader.read();
    if (snapshot === undefined) return undefined;
    const { data, shape, dtype, timestampMs, sequence } = snapshot;
    return {
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      jpeg: undefined,
      width: shape[1] ?? 1,
      height: shape[0] ?? 1,
      format: dtype,
      timestampNs: tellsTime(timestampMs) ? BigInt(Math.round(timestampMs * 1_000)) * 1_000n : 0n,
      sequence,
      missed: 0,
      shape,
      dtype,
    };
  };
  const mark = (frame: ShmFrame): number => frame.sequence || Number(frame.timestampNs) / NS_PER_MS;
  return {
    name: reader.name,
    layout: 'array',
    size: reader.view.size,
    wakeAddress: reader.wakeAddress,
    wake: () => reader.wake,
    next() {
      const frame = read();
      if (frame === undefined || mark(frame) === last) return undefined;
      const missed = last === undefined || frame.sequence === 0 ? 0 : Math.max(0, frame.sequence - last - 1);
      last = mark(frame);
      return { ...frame, missed };
    },
    latest: read,
    skip() {
      const frame = read();
      last = frame && mark(frame);
    },
    gone: () => reader.gone,
    state: () => reader.state(),
    close: () => reader.close(),
  };
}

/** Anything smaller is no segment. */
const LEAST_SIZE = ARRAY_HEADER_SIZE;

/** What the bridge calls `cam_image` is the segment `cam_image_shm`. */
const ARRAY_SUFFIX = '_shm';

function view(name: string): SegmentView {
  try {
    return viewSegment(name, LEAST_SIZE);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    try {
      return viewSegment(name + ARRAY_SUFFIX, LEAST_SIZE);
    } catch (second) {
      // Told of the name that was asked for.
      throw systemCode(second) === 'ENOENT' || isBadName(second) ? error : second;
    }
  }
}

/** With the suffix it can be too long. */
function isBadName(error: unknown): boolean {
  return error instanceof BridgeError && error.code === 'OPTION_INVALID';
}

/**
 * Opens the segment that has the name now, or the name with `_shm` behind it. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when there is none),
 * `SHM_INVALID` when it has none of the layouts, `OPTION_INVALID` or `UNSUPPORTED`.
 */
export function openSource(name: string): FrameSource {
  const opened = view(name);
  switch (new Uint32Array(opened.buffer, 0, 1)[0]) {
    case RING_MAGIC:
      return ringSource(ringReader(opened));
    case ARRAY_MAGIC:
      return arraySource(new ArraySegmentReader(opened));
    default:
      return viznSource(viznReader(opened));
  }
}
