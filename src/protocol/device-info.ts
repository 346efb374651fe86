/** What a device says of itself: PROTO_STATS, PROTO_VERSION, SYS_INFO and SYS_MEMORY. */
import { blank, viewOf } from './payloads.js';

/** The words of PROTO_STATS, in their order. */
const STATS = [
  'sentPackets',
  'receivedPackets',
  'checksumErrors',
  'sequenceErrors',
  'retransmits',
  'transportErrors',
  'sentEvents',
] as const;

/** Counters of the camera's end of the link. */
export type DeviceStats = { readonly [name in (typeof STATS)[number]]: number };

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

export const STATS_SIZE = 32;
export const VERSION_SIZE = 16;
export const SYSTEM_INFO_SIZE = 76;
export const MEMORY_HEADER_SIZE = 4;
export const MEMORY_ENTRY_SIZE = 24;

const MEMORY_TYPES = ['gc', 'uma'] as const;
const MEMORY_WORDS = ['total', 'used', 'free', 'persist', 'peak'] as const;

export function encodeStats(stats: DeviceStats): Uint8Array {
  const [bytes, view] = blank(STATS_SIZE);
  STATS.forEach((name, index) => {
    view.setUint32(4 * index, stats[name], true);
  });
  return bytes;
}

export function decodeStats(payload: Uint8Array): DeviceStats {
  const view = viewOf(payload, STATS_SIZE, 'statistics');
  return Object.fromEntries(
    STATS.map((name, index) => [name, view.getUint32(4 * index, true)]),
  ) as DeviceStats;
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
    MEMORY_WORDS.forEach((name, word) => {
      view.setUint32(at + 4 + 4 * word, entry[name], true);
    });
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
