/** What a reader can tell of the program at the other end. */
import { decodeOwner, liveness, OWNER_SIZE } from './memory/owner.js';
import type { SegmentView } from './memory/segment-view.js';

export interface SegmentState {
  /**
   * - `empty`: no frame yet.
   * - `live`: there is a frame, and nothing says that the writer is gone.
   * - `stale`: the writer died; what is whole can still be read.
   * - `gone`: the writer closed the segment, or its name was removed or leads to a newer one: open it again.
   */
  readonly status: 'empty' | 'live' | 'stale' | 'gone';
  /** Undefined when the writer records no owner (another program than the bridge). */
  readonly ownerPid: number | undefined;
  /** Undefined when it is not known: no owner recorded, or one in another container. */
  readonly ownerAlive: boolean | undefined;
}

export interface ShmState extends SegmentState {
  /** Milliseconds since the newest frame's timestamp, at least 0; undefined when there is none, or it tells no time. */
  readonly frameAgeMs: number | undefined;
}

/** Whether its writer closed the segment, or its name no longer leads to it. Throws what `view.check()` throws. */
export function isGone(view: SegmentView, ownerOffset: number): boolean {
  view.check();
  return ownerOf(view, ownerOffset)?.closed === true || !view.current();
}

/** The state of a segment whose owner record stands at `ownerOffset`. */
export function segmentState(view: SegmentView, ownerOffset: number, empty: boolean): SegmentState {
  const owner = ownerOf(view, ownerOffset);
  const life = owner === undefined ? 'unknown' : liveness(owner);
  return {
    status: isGone(view, ownerOffset) ? 'gone' : life === 'dead' ? 'stale' : empty ? 'empty' : 'live',
    ownerPid: owner?.pid,
    ownerAlive: life === 'unknown' ? undefined : life === 'alive',
  };
}

function ownerOf(view: SegmentView, ownerOffset: number) {
  return decodeOwner(new Uint8Array(view.buffer, 0, ownerOffset + OWNER_SIZE), ownerOffset);
}

const NS_PER_MS = 1_000_000n;

/** Milliseconds since a Unix time, at least 0. */
export function ageMs(timestampNs: bigint): number {
  return Math.max(0, Date.now() - Number(timestampNs / NS_PER_MS));
}
