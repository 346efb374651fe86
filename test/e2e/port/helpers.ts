import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { BridgeError, type ErrorCode } from '../../../src/errors.js';
import type { ByteStream, LineKind } from '../../../src/link/byte-stream.js';
import { openSerialPort } from '../../../src/port/index.js';
import { openPty, type PtyMaster } from '../../../src/virtual/line/pty.js';

/** Waits for a condition; fails with its name when it does not come true. */
export async function until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
  for (const end = performance.now() + limitMs; !condition(); ) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await delay(2);
  }
}

/** Everything a stream reported. */
export class Recorder {
  readonly chunks: Buffer[] = [];
  readonly ends: (BridgeError | undefined)[] = [];
  length = 0;

  readonly data = (chunk: Uint8Array): void => {
    this.chunks.push(Buffer.from(chunk));
    this.length += chunk.length;
  };
  readonly closed = (error?: BridgeError): void => {
    this.ends.push(error);
  };

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  static on(stream: ByteStream): Recorder {
    const recorder = new Recorder();
    stream.start(recorder);
    return recorder;
  }
}

/** A camera side and an opened, started host side of one pty. */
export async function openPair(): Promise<{
  master: PtyMaster;
  stream: ByteStream;
  fromHost: Recorder;
  fromCamera: Recorder;
}> {
  const master = await openPty();
  const fromHost = new Recorder();
  master.onData(fromHost.data);
  const stream = await openSerialPort({ path: master.slavePath });
  const fromCamera = Recorder.on(stream);
  await until(() => master.hostPresent, 'the master sees its host');
  return { master, stream, fromHost, fromCamera };
}

/** Bytes without a pattern, the same ones for the same seed. */
export function noise(length: number, seed = 1): Buffer {
  const blocks: Buffer[] = [];
  for (let block = 0; block * 32 < length; block++) {
    blocks.push(createHash('sha256').update(`${seed}:${block}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** What the descriptors of this process lead to, ttys and masters only. */
export function openTtys(): string[] {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => /^\/dev\/(pts\/|ptmx)/.test(target)).sort();
}

/** CPU time this process uses in a while, in milliseconds. */
export async function cpuOver(ms: number): Promise<number> {
  const before = process.cpuUsage();
  await delay(ms);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The `BridgeError` that a promise is rejected with. */
export async function failure(promise: Promise<unknown>, code: ErrorCode): Promise<BridgeError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BridgeError);
  expect((error as BridgeError).code).toBe(code);
  return error as BridgeError;
}

/** A stream in memory that a test plays the device of. */
export class FakeStream implements ByteStream {
  readonly name = 'fake';
  readonly kind: LineKind = 'usb';
  readonly written: Buffer[] = [];
  closes = 0;
  onWrite: ((bytes: Buffer) => void) | undefined;
  #recorder: Parameters<ByteStream['start']>[0] | undefined;

  start(handlers: Parameters<ByteStream['start']>[0]): void {
    this.#recorder = handlers;
  }

  write(bytes: Uint8Array): void {
    const copy = Buffer.from(bytes);
    this.written.push(copy);
    this.onWrite?.(copy);
  }

  async close(): Promise<void> {
    this.closes++;
    if (this.closes === 1) this.#recorder?.closed();
  }

  /** The device sends: the buffer is overwritten afterwards, as the contract allows. */
  send(bytes: Uint8Array): void {
    const chunk = Uint8Array.from(bytes);
    this.#recorder?.data(chunk);
    chunk.fill(0x55);
  }

  /** The line breaks. */
  fail(error: BridgeError): void {
    this.closes++;
    this.#recorder?.closed(error);
  }
}
