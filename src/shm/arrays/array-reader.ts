/** Reads the channels of a base name, whoever writes them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BridgeError } from '../../errors.js';
import { closed } from '../memory/segment-view.js';
import { LOCK_TIMEOUT_MS } from '../memory/semaphore.js';
import { systemCode } from '../memory/system-errors.js';
import { channelNames, type DType } from './array-layout.js';
import { type ArraySegmentReader, type ArraySnapshot, openArraySegment } from './array-segment.js';

const PAUSE_MS = 1;
const LOOK_MS = 10;

export interface ArrayReader {
  readonly base: string;
  /**
   * The channel's array; undefined when there is no such channel, nothing in it yet, or its writer did not let go of it
   * within a second. Rejects with `SHM_INVALID` or `SHM_FAILED`.
   */
  getArray(name: string): Promise<ArraySnapshot | undefined>;
  getImage(): Promise<ArraySnapshot | undefined>;
  getDepth(): Promise<ArraySnapshot | undefined>;
  getPointcloud(): Promise<ArraySnapshot | undefined>;
  getMask(): Promise<ArraySnapshot | undefined>;
  /** Undefined when there is no such channel. */
  getShape(name: string): readonly number[] | undefined;
  getDtype(name: string): DType | undefined;
  getNdim(name: string): number | undefined;
  /** Waits until the channel exists; false when it does not within `timeoutMs`. */
  waitForArray(name: string, timeoutMs?: number): Promise<boolean>;
  /** Unmaps everything; what is asked for afterwards ends in `SHM_FAILED`. Idempotent. */
  close(): void;
}

class ChannelsReader implements ArrayReader {
  readonly base: string;
  readonly #channels = new Map<string, ArraySegmentReader>();
  #open = true;

  constructor(base: string) {
    channelNames(base, 'image');
    this.base = base;
  }

  async getArray(name: string): Promise<ArraySnapshot | undefined> {
    const end = performance.now() + LOCK_TIMEOUT_MS;
    for (;;) {
      const channel = this.#channel(name);
      if (channel === undefined) return undefined;
      const snapshot = channel.read();
      if (snapshot !== undefined || channel.state().status === 'empty') return snapshot;
      if (performance.now() >= end) return undefined;
      await sleep(PAUSE_MS);
    }
  }

  getImage(): Promise<ArraySnapshot | undefined> {
    return this.getArray('image');
  }

  getDepth(): Promise<ArraySnapshot | undefined> {
    return this.getArray('depth');
  }

  getPointcloud(): Promise<ArraySnapshot | undefined> {
    return this.getArray('pointcloud');
  }

  getMask(): Promise<ArraySnapshot | undefined> {
    return this.getArray('mask');
  }

  getShape(name: string): readonly number[] | undefined {
    return this.#channel(name)?.form.shape;
  }

  getDtype(name: string): DType | undefined {
    return this.#channel(name)?.form.dtype;
  }

  getNdim(name: string): number | undefined {
    return this.getShape(name)?.length;
  }

  async waitForArray(name: string, timeoutMs = 5_000): Promise<boolean> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      try {
        if (this.#channel(name) !== undefined) return true;
      } catch (error) {
        // A writer of the public package fills in the header after the name is there.
        if (!(error instanceof BridgeError) || error.code !== 'SHM_INVALID') throw error;
      }
      const left = end - performance.now();
      if (left <= 0) return false;
      await sleep(Math.min(LOOK_MS, left));
    }
  }

  /** The channel that has the name now. */
  #channel(name: string): ArraySegmentReader | undefined {
    if (!this.#open) throw closed(this.base);
    const known = this.#channels.get(name);
    if (known?.view.current() === true) return known;
    try {
      const opened = openArraySegment(channelNames(this.base, name).segment);
      known?.close();
      this.#channels.set(name, opened);
      return opened;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      // What a writer that has ended left mapped is nobody's any more.
      known?.close();
      this.#channels.delete(name);
      return undefined;
    }
  }

  close(): void {
    this.#open = false;
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}

/** A reader of the channels of a base name; they need not exist yet. Throws `OPTION_INVALID`. */
export function openArrayReader(base: string): ArrayReader {
  return new ChannelsReader(base);
}
