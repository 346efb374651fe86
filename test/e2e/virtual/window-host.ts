/** A host for tests that reads by the window of the bundled script's frame channel, and the script with changes. */
import { readFileSync } from 'node:fs';
import crc32 from 'crc/calculators/crc32';
import { expect } from 'vitest';
import { packageFile } from '../../../src/package.js';
import type { Capture, VirtualCameraInput } from '../../../src/virtual/index.js';
import { type TestHost, until } from './host.js';
import { camera, host } from './setup.js';

export const WINDOW = 0x2000_0000;
export const RELEASE = 0x3000_0000;
export const HEADER = 32;
const SIZED = 0x8000;

const script = readFileSync(packageFile('firmware/frame_channel.py'), 'utf8');
export const checksum = (bytes: Uint8Array): string => (crc32(bytes) >>> 0).toString(16).padStart(8, '0');

/** The script with other settings of its own, by name, and other lines in front. */
export function scriptWith(settings: Record<string, string>, before = ''): string {
  let text = script;
  for (const [name, value] of Object.entries(settings)) {
    const line = new RegExp(`^${name} = .*$`, 'm');
    expect(text).toMatch(line);
    text = text.replace(line, `${name} = ${value}`);
  }
  return `${before}\n${text}`;
}

export interface Header {
  readonly magic: string;
  readonly size: number;
  readonly width: number;
  readonly height: number;
  readonly number: number;
  readonly captured: number;
  readonly now: number;
  readonly data: number;
  readonly skipped: number;
}

export function header(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number): number => view.getUint32(at, true);
  return {
    magic: new TextDecoder().decode(bytes.subarray(0, 4)),
    size: word(4),
    width: view.getUint16(8, true),
    height: view.getUint16(10, true),
    number: word(12),
    captured: word(16),
    now: word(20),
    data: word(24),
    skipped: word(28),
  };
}

export const padded = (size: number): number => Math.ceil((HEADER + size) / 32) * 32;

/** A host that reads by window. */
export class WindowHost {
  readonly guest: TestHost;
  readonly channel: number;
  readonly captures: Map<string, Capture>;

  constructor(guest: TestHost, channel: number, captures: Map<string, Capture>) {
    this.guest = guest;
    this.channel = channel;
    this.captures = captures;
  }

  /** Bytes of the window that the events have said so far, 0 for those that say none. */
  get announced(): number[] {
    return this.guest.events
      .filter(({ channel, event }) => channel === this.channel && event !== 2)
      .map(({ event }) => (event & SIZED ? (event & 0x7fff) * 32 : 0));
  }

  /** The header of what is latched, waited for. */
  latched(): Promise<Header> {
    return until('a latched frame', async () => {
      const bytes = await this.window(0, HEADER);
      return bytes && header(bytes);
    });
  }

  /** undefined: refused. */
  async window(offset: number, length: number): Promise<Uint8Array | undefined> {
    const { outcome, bytes } = await this.guest.tryRead(this.channel, WINDOW + offset, length);
    if (outcome.kind === 'nak') return undefined;
    expect(outcome).toMatchObject({ kind: 'read', missing: [] });
    return bytes;
  }

  async release(number: number): Promise<number> {
    return (await this.guest.read(this.channel, RELEASE + (number & 0xfff_ffff), 1))[0]!;
  }

  /** The whole frame that is latched, checked against the camera's record. */
  async frame(): Promise<Header> {
    const { size, number } = await this.latched();
    const bytes = await this.window(0, padded(size));
    const head = header(bytes!);
    expect(head).toMatchObject({ magic: 'OMF1', size, number, data: 0 });
    const jpeg = bytes!.subarray(HEADER, HEADER + size);
    expect(this.captures.get(checksum(jpeg))).toMatchObject({
      bytes: size,
      width: head.width,
      height: head.height,
    });
    return head;
  }

  /** So many captures have been made since the camera was switched on. */
  async made(count: number): Promise<void> {
    await until(`${count} captures`, () => this.captures.size >= count);
  }
}

/** Unless told otherwise nothing is given up that waits, however busy the machine is. */
export async function windowHost(
  options: VirtualCameraInput = {},
  { text = scriptWith({ MAX_WAIT_MS: 'None' }), ack = false } = {},
): Promise<WindowHost> {
  const captures = new Map<string, Capture>();
  const made = await camera({
    fps: 'max',
    onCapture: (capture) => captures.set(capture.crc32, capture),
    ...options,
    script: null,
  });
  const guest = await host(made, { ack });
  await guest.exec(text);
  return new WindowHost(guest, await guest.channel('frame'), captures);
}

/** Whole frames by the window, one after the other; their headers. */
export async function take(reader: WindowHost, count: number): Promise<Header[]> {
  const heads: Header[] = [];
  for (let taken = 0; taken < count; taken++) {
    const head = await reader.frame();
    expect(await reader.release(head.number)).toBe(1);
    heads.push(head);
  }
  return heads;
}
