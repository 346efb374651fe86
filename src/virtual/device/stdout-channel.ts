/**
 * The camera's text output (vendor: protocol/omv_protocol_channel_stdio.c): a ring of 1 KiB that keeps the newest
 * text, and NOTIFY events that tell the host of it.
 */

import { ChannelFlag } from '../../protocol/index.js';
import type { DeviceChannel } from './device-types.js';

/** A ring buffer of this size holds one byte less. */
const RING_SIZE = 1024;
const CAPACITY = RING_SIZE - 1;
const FLUSH_MS = 50;
const LINE_FEED = 0x0a;
const LINE_END = Uint8Array.of(0x0d, LINE_FEED);

export class StdoutChannel implements DeviceChannel {
  readonly name = 'stdout';
  readonly flags = ChannelFlag.READ;
  readonly #notify: () => void;
  readonly #ring = new Uint8Array(CAPACITY);
  #length = 0;
  #notified = false;
  #lastNotify = Number.NEGATIVE_INFINITY;

  /** `kept`: text from before a soft reboot. `notify` sends the event. */
  constructor(kept: Uint8Array, notify: () => void) {
    this.#notify = notify;
    this.#ring.set(kept.subarray(0, CAPACITY));
    this.#length = Math.min(kept.length, CAPACITY);
  }

  poll(): boolean {
    return this.#length > 0;
  }

  size(): number {
    return this.#length;
  }

  read(_offset: number, length: number): Uint8Array | undefined {
    const count = Math.min(length, this.#length);
    this.#notified = false;
    if (count === 0) return undefined;
    const text = this.#ring.slice(0, count);
    this.#ring.copyWithin(0, count, this.#length);
    this.#length -= count;
    return text;
  }

  /** Text that the host has not read. */
  unread(): Uint8Array {
    return this.#ring.slice(0, this.#length);
  }

  /** Takes a string as it is printed. The ring gets it in the pieces that MicroPython makes of it: text and line ends. */
  print(printed: Uint8Array | string, now: number): void {
    const text = typeof printed === 'string' ? new TextEncoder().encode(printed) : printed;
    for (let from = 0; from < text.length; ) {
      const end = text.indexOf(LINE_FEED, from);
      const to = end < 0 ? text.length : end;
      if (to > from) this.#put(text.subarray(from, to), now);
      if (end >= 0) this.#put(LINE_END, now);
      from = end < 0 ? to : end + 1;
    }
  }

  /** When `tick` has something to do; Infinity: not before more text comes. */
  deadline(): number {
    return this.#length > 0 ? this.#lastNotify + FLUSH_MS : Number.POSITIVE_INFINITY;
  }

  /** Reminds the host of text that it has not read, every 50 ms. */
  tick(now: number): void {
    if (now < this.deadline()) return;
    this.#lastNotify = now;
    this.#notify();
  }

  /** A piece that does not fit pushes out everything before it; of one longer than the ring the end is kept. */
  #put(text: Uint8Array, now: number): void {
    if (text.length <= CAPACITY - this.#length) {
      this.#ring.set(text, this.#length);
      this.#length += text.length;
    } else {
      const tail = text.subarray(Math.max(0, text.length - CAPACITY));
      this.#ring.set(tail);
      this.#length = tail.length;
      this.#notified = false;
    }
    if (this.#notified || this.#length <= RING_SIZE / 2) return;
    this.#notified = true;
    this.#lastNotify = now;
    this.#notify();
  }
}
