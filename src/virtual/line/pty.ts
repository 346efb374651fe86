import { closeSync } from 'node:fs';
import type { ReadStream } from 'node:tty';
import { PollEntry } from '../../libc.js';
import { FdWriter, readTty } from '../../port/index.js';
import { duplicate, makePty, type PtyDevice, resetPty } from './pty-device.js';
import { placeLink, removeLink } from './pty-link.js';

/** The camera's end of a pseudo-terminal: what a host opens as a serial port is served here. */
export interface PtyMaster {
  /** `/dev/pts/5` */
  readonly slavePath: string;
  /** The link that leads there, an absolute path. */
  readonly linkPath: string | undefined;
  /** Whether some program has the slave open. */
  readonly hostPresent: boolean;
  /** Bytes that wait for a host that does not read. */
  readonly queued: number;
  /** Bytes from the host, in any chunking, valid only during the call. Answers a function that ends the calls. */
  onData(callback: (chunk: Uint8Array) => void): () => void;
  /** Called when a host opens the slave and when the last one has closed it. Answers a function that ends the calls. */
  onHost(callback: (present: boolean) => void): () => void;
  /**
   * Sends to the host; copies what it does not take at once. Without a host the bytes are discarded. false: the
   * host does not read, the queue is full and the bytes were dropped.
   */
  write(bytes: Uint8Array): boolean;
  /** Breaks the line at once, as pulling a plug does: hosts get a hang-up, the link is gone. */
  hangUp(): void;
  /** Breaks the line and frees everything. Idempotent. No callback comes after it was called. */
  close(): Promise<void>;
}

/** Bytes that may wait for a host: more than the largest frame, which a device may send in one go. */
const QUEUE_LIMIT = 8 * 1024 * 1024;
/** How often a line without a host is looked at. A host is served that much late when it has just opened. */
const LOOK_EVERY_MS = 10;

/** A host that has the slave open: what reads from it and what writes to it. */
interface Host {
  readonly reader: ReadStream;
  readonly writer: FdWriter;
}

class Master implements PtyMaster {
  readonly linkPath: string | undefined;
  readonly #device: PtyDevice;
  readonly #poll: PollEntry;
  readonly #dataCallbacks = new Set<(chunk: Uint8Array) => void>();
  readonly #hostCallbacks = new Set<(present: boolean) => void>();
  #host: Host | undefined;
  #timer: NodeJS.Timeout;
  #hungUp = false;
  /** Resolves when no wait of an earlier host's writer uses the descriptor. */
  #idle: Promise<void> = Promise.resolve();

  constructor(device: PtyDevice, linkPath: string | undefined) {
    this.#device = device;
    this.linkPath = linkPath;
    this.#poll = new PollEntry(device.fd);
    // Not at once: the caller adds its callbacks first.
    this.#timer = setTimeout(() => this.#look(), 0);
  }

  get slavePath(): string {
    return this.#device.slavePath;
  }

  get hostPresent(): boolean {
    return this.#host !== undefined;
  }

  get queued(): number {
    return this.#host?.writer.queued ?? 0;
  }

  onData(callback: (chunk: Uint8Array) => void): () => void {
    this.#dataCallbacks.add(callback);
    return () => this.#dataCallbacks.delete(callback);
  }

  onHost(callback: (present: boolean) => void): () => void {
    this.#hostCallbacks.add(callback);
    return () => this.#hostCallbacks.delete(callback);
  }

  write(bytes: Uint8Array): boolean {
    return this.#host?.writer.write(bytes) ?? true;
  }

  hangUp(): void {
    if (this.#hungUp) return;
    this.#hungUp = true;
    clearTimeout(this.#timer);
    this.#dataCallbacks.clear();
    this.#hostCallbacks.clear();
    if (this.linkPath !== undefined) removeLink(this.linkPath);
    this.#dismiss();
    closeSync(this.#device.fd);
  }

  async close(): Promise<void> {
    this.hangUp();
    await this.#idle;
  }

  /** Without a host the line reports a hang-up for ever, which the event loop cannot wait on: look now and then. */
  #look(): void {
    const state = this.#poll.now();
    // A host may have come, written and gone between two looks: its bytes are still there.
    if (state.readable || !state.hungUp) this.#welcome();
    else this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS);
  }

  #welcome(): void {
    const reader = readTty(duplicate(this.#device.fd), (chunk) => {
      for (const callback of this.#dataCallbacks) callback(chunk);
    });
    // EIO is how Linux says that the last host has closed the slave; a writer that fails says no more than that.
    reader.on('error', () => {});
    reader.on('close', () => this.#hostLeft(reader));
    this.#host = { reader, writer: new FdWriter(this.#device.fd, QUEUE_LIMIT, () => {}) };
    reader.resume();
    for (const callback of this.#hostCallbacks) callback(true);
  }

  #dismiss(): void {
    if (!this.#host) return;
    const { reader, writer } = this.#host;
    this.#host = undefined;
    reader.destroy();
    const [before, stopped] = [this.#idle, writer.stop()];
    this.#idle = before.then(() => stopped);
  }

  #hostLeft(reader: ReadStream): void {
    if (this.#host?.reader !== reader) return;
    this.#dismiss();
    resetPty(this.#device);
    for (const callback of this.#hostCallbacks) callback(false);
    if (!this.#hungUp) this.#look();
  }
}

/**
 * Makes a pseudo-terminal, raw from the start, and serves its camera side; any number of hosts may come and go.
 * `linkPath`: a name that leads to it for as long as it lives; a link that an ended process left behind is replaced.
 *
 * Throws `UNSUPPORTED` (Windows, no ptys), `OPTION_INVALID` or `PORT_BUSY` (the link's name is taken).
 */
export async function openPty(linkPath?: string): Promise<PtyMaster> {
  const device = makePty();
  try {
    return new Master(
      device,
      linkPath === undefined ? undefined : await placeLink(linkPath, device.slavePath),
    );
  } catch (error) {
    closeSync(device.fd);
    throw error;
  }
}
