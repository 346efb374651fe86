/**
 * The payloads of the OpenMV Protocol: TypeScript forms and their byte forms, all little-endian
 * (vendor: protocol/omv_protocol.h). Encoders return fresh arrays; decoders throw `CAMERA_PROTOCOL` when the
 * payload is shorter than its structure, and ignore what a later firmware may add behind it.
 */
import { BridgeError } from '../errors.js';
import { CHANNEL_NAME_SIZE } from './constants.js';

export interface Capabilities {
  readonly crc: boolean;
  readonly sequence: boolean;
  readonly ack: boolean;
  readonly events: boolean;
  /** Bytes. */
  readonly maxPayload: number;
}

export interface DeviceStats {
  readonly sentPackets: number;
  readonly receivedPackets: number;
  readonly checksumErrors: number;
  readonly sequenceErrors: number;
  readonly retransmits: number;
  readonly transportErrors: number;
  readonly sentEvents: number;
}

export type Version = readonly [major: number, minor: number, patch: number];

export interface VersionInfo {
  readonly protocol: Version;
  readonly bootloader: Version;
  readonly firmware: Version;
}

export interface SystemInfo {
  readonly cpuId: number;
  /** Three 32-bit words of the board's unique id. */
  readonly deviceId: readonly [number, number, number];
  readonly usbVendorId: number;
  readonly usbProductId: number;
  /** Ids of the image sensors found, 0 where there is none. */
  readonly chipIds: readonly [number, number, number];
  readonly hardwareCaps: readonly [number, number];
  readonly flashKb: number;
  readonly ramKb: number;
  readonly framebufferKb: number;
  readonly streamBufferKb: number;
}

export interface MemoryEntry {
  /** gc: MicroPython's heap; uma: the firmware's unified pools. */
  readonly type: 'gc' | 'uma' | 'unknown';
  readonly flags: number;
  /** All in bytes. */
  readonly total: number;
  readonly used: number;
  readonly free: number;
  readonly persist: number;
  readonly peak: number;
}

export interface ChannelEntry {
  readonly id: number;
  /** `ChannelFlag` bits. */
  readonly flags: number;
  readonly name: string;
}

export const CAPS_SIZE = 16;
export const STATS_SIZE = 32;
export const VERSION_SIZE = 16;
export const SYSTEM_INFO_SIZE = 76;
export const MEMORY_HEADER_SIZE = 4;
export const MEMORY_ENTRY_SIZE = 24;
export const CHANNEL_ENTRY_SIZE = 2 + CHANNEL_NAME_SIZE;
export const IO_REQUEST_SIZE = 8;
export const IOCTL_REQUEST_SIZE = 4;

const CAPS_CRC = 1;
const CAPS_SEQUENCE = 2;
const CAPS_ACK = 4;
const CAPS_EVENTS = 8;

const MEMORY_TYPES = ['gc', 'uma'] as const;

/** A view of a payload that must have at least `size` bytes. */
function viewOf(payload: Uint8Array, size: number, what: string): DataView {
  if (payload.length < size) {
    throw new BridgeError(
      'CAMERA_PROTOCOL',
      `The camera's ${what} has ${payload.length} bytes, at least ${size} expected: its firmware speaks another version of the protocol. Update the camera's firmware to 5.x.`,
      { context: { structure: what, length: payload.length, expected: size } },
    );
  }
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}

function blank(size: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(size);
  return [bytes, new DataView(bytes.buffer)];
}

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

export function encodeStats(stats: DeviceStats): Uint8Array {
  const [bytes, view] = blank(STATS_SIZE);
  const words = [
    stats.sentPackets,
    stats.receivedPackets,
    stats.checksumErrors,
    stats.sequenceErrors,
    stats.retransmits,
    stats.transportErrors,
    stats.sentEvents,
  ];
  words.forEach((word, index) => {
    view.setUint32(4 * index, word, true);
  });
  return bytes;
}

export function decodeStats(payload: Uint8Array): DeviceStats {
  const view = viewOf(payload, STATS_SIZE, 'statistics');
  const word = (index: number): number => view.getUint32(4 * index, true);
  return {
    sentPackets: word(0),
    receivedPackets: word(1),
    checksumErrors: word(2),
    sequenceErrors: word(3),
    retransmits: word(4),
    transportErrors: word(5),
    sentEvents: word(6),
  };
}

export function encodeVersion(info: VersionInfo): Uint8Array {
  const [bytes] = blank(VERSION_SIZE);
  bytes.set(info.protocol, 0);
  bytes.set(info.bootloader, 3);
  bytes.set(info.firmware, 6);
  return bytes;
}

export function decodeVersion(payload: Uint8Array): VersionInfo {
  const view = viewOf(payload, VERSION_SIZE, 'version');
  const triple = (at: number): Version => [view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2)];
  return { protocol: triple(0), bootloader: triple(3), firmware: triple(6) };
}

export const versionText = (version: Version): string => version.join('.');

export function encodeSystemInfo(info: SystemInfo): Uint8Array {
  const [bytes, view] = blank(SYSTEM_INFO_SIZE);
  view.setUint32(0, info.cpuId, true);
  info.deviceId.forEach((word, index) => {
    view.setUint32(4 + 4 * index, word, true);
  });
  view.setUint32(16, ((info.usbVendorId << 16) | info.usbProductId) >>> 0, true);
  info.chipIds.forEach((word, index) => {
    view.setUint32(20 + 4 * index, word, true);
  });
  info.hardwareCaps.forEach((word, index) => {
    view.setUint32(40 + 4 * index, word, true);
  });
  view.setUint32(48, info.flashKb, true);
  view.setUint32(52, info.ramKb, true);
  view.setUint32(56, info.framebufferKb, true);
  view.setUint32(60, info.streamBufferKb, true);
  return bytes;
}

export function decodeSystemInfo(payload: Uint8Array): SystemInfo {
  const view = viewOf(payload, SYSTEM_INFO_SIZE, 'system information');
  const word = (at: number): number => view.getUint32(at, true);
  return {
    cpuId: word(0),
    deviceId: [word(4), word(8), word(12)],
    usbVendorId: word(16) >>> 16,
    usbProductId: word(16) & 0xffff,
    chipIds: [word(20), word(24), word(28)],
    hardwareCaps: [word(40), word(44)],
    flashKb: word(48),
    ramKb: word(52),
    framebufferKb: word(56),
    streamBufferKb: word(60),
  };
}

export function encodeMemory(entries: readonly MemoryEntry[]): Uint8Array {
  const [bytes, view] = blank(MEMORY_HEADER_SIZE + entries.length * MEMORY_ENTRY_SIZE);
  view.setUint8(0, entries.length);
  entries.forEach((entry, index) => {
    const at = MEMORY_HEADER_SIZE + index * MEMORY_ENTRY_SIZE;
    view.setUint8(at, entry.type === 'uma' ? 1 : 0);
    view.setUint16(at + 2, entry.flags, true);
    view.setUint32(at + 4, entry.total, true);
    view.setUint32(at + 8, entry.used, true);
    view.setUint32(at + 12, entry.free, true);
    view.setUint32(at + 16, entry.persist, true);
    view.setUint32(at + 20, entry.peak, true);
  });
  return bytes;
}

export function decodeMemory(payload: Uint8Array): MemoryEntry[] {
  const count = viewOf(payload, MEMORY_HEADER_SIZE, 'memory statistics').getUint8(0);
  const view = viewOf(payload, MEMORY_HEADER_SIZE + count * MEMORY_ENTRY_SIZE, 'memory statistics');
  return Array.from({ length: count }, (_, index) => {
    const at = MEMORY_HEADER_SIZE + index * MEMORY_ENTRY_SIZE;
    return {
      type: MEMORY_TYPES[view.getUint8(at)] ?? 'unknown',
      flags: view.getUint16(at + 2, true),
      total: view.getUint32(at + 4, true),
      used: view.getUint32(at + 8, true),
      free: view.getUint32(at + 12, true),
      persist: view.getUint32(at + 16, true),
      peak: view.getUint32(at + 20, true),
    };
  });
}

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
