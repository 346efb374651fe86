/**
 * Payloads and their byte forms, all little-endian (vendor: protocol/omv_protocol.h): capabilities, and what is said
 * about channels. Encoders return fresh arrays; decoders throw `CAMERA_PROTOCOL` when the payload is shorter than its
 * structure, and ignore what a later firmware may add behind it.
 */
import { BridgeError } from '../errors.js';
import { CHANNEL_NAME_SIZE } from './constants.js';

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

/** Zeroed bytes and a view of them. */
export function blank(size: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(size);
  return [bytes, new DataView(bytes.buffer)];
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
  const [bytes, view] = blank(CAPS_SIZE);
  view.setUint32(
    0,
    (caps.crc ? CAPS_CRC : 0) |
      (caps.sequence ? CAPS_SEQUENCE : 0) |
      (caps.ack ? CAPS_ACK : 0) |
      (caps.events ? CAPS_EVENTS : 0),
    true,
  );
  view.setUint16(4, caps.maxPayload, true);
  return bytes;
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
  const [bytes] = blank(channels.length * CHANNEL_ENTRY_SIZE);
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
export function encodeWord(value: number): Uint8Array {
  const [bytes, view] = blank(4);
  view.setUint32(0, value >>> 0, true);
  return bytes;
}

export function decodeWord(payload: Uint8Array, what: string): number {
  return viewOf(payload, 4, what).getUint32(0, true);
}

/** CHANNEL_SHAPE: one to four words. */
export function encodeShape(shape: readonly number[]): Uint8Array {
  const [bytes, view] = blank(4 * shape.length);
  shape.forEach((word, index) => {
    view.setUint32(4 * index, word >>> 0, true);
  });
  return bytes;
}

export function decodeShape(payload: Uint8Array): number[] {
  const count = Math.max(1, Math.ceil(payload.length / 4));
  const view = viewOf(payload, 4 * count, 'shape');
  return Array.from({ length: count }, (_, index) => view.getUint32(4 * index, true));
}

/** CHANNEL_READ and CHANNEL_WRITE requests: offset, length, and what is written. */
export function encodeIoRequest(offset: number, length: number, data?: Uint8Array): Uint8Array {
  const [bytes, view] = blank(IO_REQUEST_SIZE + (data?.length ?? 0));
  view.setUint32(0, offset, true);
  view.setUint32(4, length, true);
  if (data) bytes.set(data, IO_REQUEST_SIZE);
  return bytes;
}

export function decodeIoRequest(payload: Uint8Array): { offset: number; length: number; data: Uint8Array } {
  const view = viewOf(payload, IO_REQUEST_SIZE, 'read or write request');
  return {
    offset: view.getUint32(0, true),
    length: view.getUint32(4, true),
    data: payload.subarray(IO_REQUEST_SIZE),
  };
}

export function encodeIoctlRequest(request: number, argument?: Uint8Array): Uint8Array {
  const [bytes, view] = blank(IOCTL_REQUEST_SIZE + (argument?.length ?? 0));
  view.setUint32(0, request, true);
  if (argument) bytes.set(argument, IOCTL_REQUEST_SIZE);
  return bytes;
}

export function decodeIoctlRequest(payload: Uint8Array): { request: number; argument: Uint8Array } {
  const request = viewOf(payload, IOCTL_REQUEST_SIZE, 'ioctl request').getUint32(0, true);
  return { request, argument: payload.subarray(IOCTL_REQUEST_SIZE) };
}

/** A NAK's status and an event's number: one half-word. */
export function encodeHalfWord(value: number): Uint8Array {
  const [bytes, view] = blank(2);
  view.setUint16(0, value, true);
  return bytes;
}

export function decodeHalfWord(payload: Uint8Array, what: string): number {
  return viewOf(payload, 2, what).getUint16(0, true);
}
