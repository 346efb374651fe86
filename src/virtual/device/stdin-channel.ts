/**
 * The camera's script input (vendor: protocol/omv_protocol_channel_stdio.c): a buffer that is written piece by
 * piece, and requests to stop what runs and to run what was written.
 */

import { ChannelFlag, StdinIoctl } from '../../protocol/index.js';
import type { DeviceChannel } from './device-types.js';

/** Longest script; the device's limit is its heap. */
const MAX_SCRIPT = 1024 * 1024;
const DONE = 0;
const FAILED = -1;

export class StdinChannel implements DeviceChannel {
  readonly name = 'stdin';
  readonly flags = ChannelFlag.WRITE | ChannelFlag.EXEC;
  readonly ioctls: ReadonlyMap<number, number> = new Map([
    [StdinIoctl.STOP, 0],
    [StdinIoctl.EXEC, 0],
    [StdinIoctl.RESET, 0],
  ]);
  /** A script runs. */
  running = false;
  readonly #interrupt: () => void;
  #pieces: Uint8Array[] = [];
  #length = 0;

  /** `interrupt` ends the running script, or the wait for one. */
  constructor(interrupt: () => void) {
    this.#interrupt = interrupt;
  }

  poll(): boolean {
    return this.running;
  }

  /** Offset 0 begins a new script; every other write is appended, whatever its offset. */
  write(offset: number, data: Uint8Array): number {
    if (offset === 0) this.clear();
    if (this.#length + data.length > MAX_SCRIPT) return 0;
    this.#pieces.push(data.slice());
    this.#length += data.length;
    return data.length;
  }

  ioctl(request: number): number {
    switch (request) {
      case StdinIoctl.STOP:
        this.#interrupt();
        return DONE;
      case StdinIoctl.EXEC:
        if (this.#length === 0) return FAILED;
        this.#interrupt();
        return DONE;
      case StdinIoctl.RESET:
        this.clear();
        return DONE;
      default:
        return FAILED;
    }
  }

  /** The script that was written, undefined when there is none. */
  script(): string | undefined {
    if (this.#length === 0) return undefined;
    const decoder = new TextDecoder();
    return this.#pieces.map((piece) => decoder.decode(piece, { stream: true })).join('') + decoder.decode();
  }

  clear(): void {
    this.#pieces = [];
    this.#length = 0;
  }
}
