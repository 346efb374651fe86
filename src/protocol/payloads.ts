/**
 * Payloads and their byte forms, all little-endian (vendor: protocol/omv_protocol.h): capabilities, and what is said
 * about channels. Encoders return fresh arrays; decoders throw `CAMERA_PROTOCOL` when the payload is shorter than its
 * structure, and ignore what a later firmware may add behind it.
 */
import { BridgeError } from '../errors.js';
import { CHANNEL_NAME_SIZE } from './constants.js';
import { writeUint32 } from './packet.js';

/** A view of a payload that must have at least `size` bytes. */
export function viewOf(payload: Uint8Array, size: number, what: string): DataView {
  if (payload.length < size) {
    throw new BridgeError(
      'CAMERA_PROTOCOL',
      `The camera's ${what} has ${payload.length} bytes, at least ${size} expected: its firmware speaks another version of the protocol. Update the camera's firmware to 5.x.`,
      { context: { structure: what, length: payload.length, expected: size } },
    );
  }
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** Words of 32 bits, and the bytes behind them. */
export function words(values: readonly number[], behind?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 * values.length + (behind?.length ?? 0));
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  if (behind) bytes.set(behind, 4 * values.length);
  return bytes;
}

/** The words in the first `size` bytes of a payload. */
export function wordsOf(payload: Uint8Array, size: number, what: string): number[] {
  const view = viewOf(payload, size, what);
  return Array.from({ length: size / 4 }, (_, index) => view.getUint32(4 * index, true));
}

export interface Capabilities {
  readonly crc: boolean;
  readonly sequence: boolean;
  readonly ack: boolean;
  readonly events: boolean;
  /** Bytes. */
  readonly maxPayload: number;
}

export const CAPS_SIZE = 16;

const CAPS_CRC = 1;
const CAPS_SEQUENCE = 2;
const CAPS_ACK = 4;
const CAPS_EVENTS = 8;

export function encodeCaps(caps: Capabilities): Uint8Array {
  const flags =
    (caps.crc ? CAPS_CRC : 0) |
    (caps.sequence ? CAPS_SEQUENCE : 0) |
    (caps.ack ? CAPS_ACK : 0) |
    (caps.events ? CAPS_EVENTS : 0);
  return words([flags, caps.maxPayload, 0, 0]);
}

export function decodeCaps(payload: Uint8Array): Capabilities {
  const view = viewOf(payload, CAPS_SIZE, 'capabilities');
  const flags = view.getUint32(0, true);
  return {
    crc: (flags & CAPS_CRC) !== 0,
    sequence: (flags & CAPS_SEQUENCE) !== 0,
    ack: (flags & CAPS_ACK) !== 0,
    events: (flags & CAPS_EVENTS) !== 0,
    maxPayload: view.getUint16(4, true),
  };
}

export interface ChannelEntry {
  readonly id: number;
  /** `ChannelFlag` bits. */
  readonly flags: number;
  readonly name: string;
}

export const CHANNEL_ENTRY_SIZE = 2 + CHANNEL_NAME_SIZE;
export const IO_REQUEST_SIZE = 8;
export const IOCTL_REQUEST_SIZE = 4;

/** Names longer than the field are cut to 13 bytes, as the device cuts them. */
export function encodeChannelList(channels: readonly ChannelEntry[]): Uint8Array {
  const bytes = new Uint8Array(channels.length * CHANNEL_ENTRY_SIZE);
  channels.forEach((channel, index) => {
    const at = index * CHANNEL_ENTRY_SIZE;
    bytes[at] = channel.id;
    bytes[at + 1] = channel.flags;
    bytes.set(new TextEncoder().encode(channel.name).subarray(0, CHANNEL_NAME_SIZE - 1), at + 2);
  });
  return bytes;
}

/** Bytes behind the last whole entry are an error: a list cut short must not pass for a shorter one. */
export function decodeChannelList(payload: Uint8Array): ChannelEntry[] {
  const count = Math.ceil(payload.length / CHANNEL_ENTRY_SIZE);
  viewOf(payload, count * CHANNEL_ENTRY_SIZE, 'channel list');
  return Array.from({ length: count }, (_, index) => {
    const entry = payload.subarray(index * CHANNEL_ENTRY_SIZE, (index + 1) * CHANNEL_ENTRY_SIZE);
    const name = entry.subarray(2);
    const end = name.indexOf(0);
    return {
      id: entry[0]!,
      flags: entry[1]!,
      name: new TextDecoder().decode(end < 0 ? name : name.subarray(0, end)),
    };
  });
}

/** CHANNEL_POLL and CHANNEL_SIZE replies: one word. */
export const encodeWord = (value: number): Uint8Array => words([value]);

export function decodeWord(payload: Uint8Array, what: string): number {
  return viewOf(payload, 4, what).getUint32(0, true);
}

/** CHANNEL_SHAPE: one to four words. */
export const encodeShape = (shape: readonly number[]): Uint8Array => words(shape);

export function decodeShape(payload: Uint8Array): number[] {
  return wordsOf(payload, 4 * Math.max(1, Math.ceil(payload.length / 4)), 'shape');
}

/** CHANNEL_READ and CHANNEL_WRITE requests: offset, length, and what is written. */
export function encodeIoRequest(offset: number, length: number, data?: Uint8Array): Uint8Array {
  return words([offset, length], data);
}

/** The same without data, into 8 bytes that are there already. */
export function writeIoRequest(target: Uint8Array, offset: number, length: number): void {
  writeUint32(target, 0, offset);
  writeUint32(target, 4, length);
}

export function decodeIoRequest(payload: Uint8Array): { offset: number; length: number; data: Uint8Array } {
  const [offset = 0, length = 0] = wordsOf(payload, IO_REQUEST_SIZE, 'read or write request');
  return { offset, length, data: payload.subarray(IO_REQUEST_SIZE) };
}

export function encodeIoctlRequest(request: number, argument?: Uint8Array): Uint8Array {
  return words([request], argument);
}

export function decodeIoctlRequest(payload: Uint8Array): { request: number; argument: Uint8Array } {
  const request = viewOf(payload, IOCTL_REQUEST_SIZE, 'ioctl request').getUint32(0, true);
  return { request, argument: payload.subarray(IOCTL_REQUEST_SIZE) };
}

/** A NAK's status and an event's number: one half-word. */
export const encodeHalfWord = (value: number): Uint8Array => words([value]).subarray(0, 2);

export function decodeHalfWord(payload: Uint8Array, what: string): number {
  return viewOf(payload, 2, what).getUint16(0, true);
}
