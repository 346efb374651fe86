/**
 * The camera's text output (vendor: protocol/omv_protocol_channel_stdio.c): a ring of 1 KiB that keeps the newest
 * text, and NOTIFY events that tell the host of it. Text printed while no host is there goes to the board's REPL
 * port, that is nowhere.
 */

import { ChannelFlag } from '../../protocol/index.js';
import type { DeviceChannel } from './device-types.js';

/** A ring buffer of this size holds one byte less. */
const RING_SIZE = 1024;
const CAPACITY = RING_SIZE - 1;
const FLUSH_MS = 50;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export class StdoutChannel implements DeviceChannel {
  readonly name = 'stdout';
  readonly flags = ChannelFlag.READ;
  readonly #notify: () => void;
  readonly #ring = new Uint8Array(CAPACITY);
  #length = 0;
  #notified = false;
  #lastNotify = Number.NEGATIVE_INFINITY;
  /** A line in the making: it goes into the ring as one string. */
  readonly #line = new Uint8Array(256);
  #lineLength = 0;

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

  /** A byte from the interpreter; line ends become CR LF. */
  putByte(byte: number, now: number): void {
    if (byte === LINE_FEED) this.#append(CARRIAGE_RETURN, now);
    this.#append(byte, now);
    if (byte === LINE_FEED) this.flushLine(now);
  }

  /** Text of the firmware itself; line ends become CR LF. */
  print(text: string, now: number): void {
    for (const byte of new TextEncoder().encode(text)) this.putByte(byte, now);
    this.flushLine(now);
  }

  /** Puts what there is of a line into the ring. */
  flushLine(now: number): void {
    if (this.#lineLength === 0) return;
    const text = this.#line.subarray(0, this.#lineLength);
    this.#lineLength = 0;
    this.#put(text, now);
  }

  /** Forgets the line in the making: no host is there to read it. */
  dropLine(): void {
    this.#lineLength = 0;
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

  #append(byte: number, now: number): void {
    this.#line[this.#lineLength++] = byte;
    if (this.#lineLength === this.#line.length) this.flushLine(now);
  }

  /** Text that does not fit pushes out everything before it. */
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
