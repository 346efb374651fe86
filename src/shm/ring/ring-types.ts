/** What a ring gives to those who read it. */
import type { CountedFrame } from '../frame.js';
import type { ShmState } from '../reader-state.js';

export interface RingFrame extends CountedFrame {
  /** The ring's own count of frames, from 1 without gaps. */
  readonly number: number;
}

/** A frame in place. `data` is read-only memory: writing to it kills the process. */
export interface RingLease extends RingFrame {
  /**
   * The writer leaves the slot alone until `release()`, or this process's end, unless readers hold all slots but the
   * newest. False without an entry in the lease table (no permission, or it is full): then nothing holds the writer off.
   */
  readonly pinned: boolean;
  /** Whether the bytes are still the frame's. */
  whole(): boolean;
  /** Gives the slot back; whether the bytes were the frame's to the end. `data` is not to be touched after it. Idempotent. */
  release(): boolean;
}

export interface RingState extends ShmState {
  /** Number of the newest frame. */
  readonly head: number;
  readonly slotCount: number;
}

export interface RingReader {
  readonly name: string;
  /** Bytes of the segment. */
  readonly size: number;
  /** Number of the last frame taken. Where a reader starts: before the oldest frame there is. */
  readonly cursor: number;
  /**
   * Frames that were overwritten before this reader took them; without those that were there before the reader: it
   * begins with the oldest that it can have.
   */
  readonly missed: number;
  /**
   * A copy of the next frame; undefined when there is none yet. What was overwritten is skipped and counted.
   * Throws `SHM_INVALID` when the segment contradicts itself or was cut short, `SHM_FAILED` after `close()`.
   */
  next(): RingFrame | undefined;
  /** The next frame in place. */
  lease(): RingLease | undefined;
  /** A copy of the newest frame; the cursor moves to it, and what is in between is not counted as missed. */
  latest(): RingFrame | undefined;
  /** Moves the cursor to the newest frame: `next()` gives the one after it. */
  skip(): void;
  state(): RingState;
  /** Unmaps the segment when the last lease is released. Idempotent. */
  close(): void;
}
