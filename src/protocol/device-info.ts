/** What a device says of itself: PROTO_STATS, PROTO_VERSION, SYS_INFO and SYS_MEMORY. */
import { viewOf, words, wordsOf } from './payloads.js';

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

export function encodeStats(stats: DeviceStats): Uint8Array {
  return words([...STATS.map((name) => stats[name]), 0]);
}

export function decodeStats(payload: Uint8Array): DeviceStats {
  const values = wordsOf(payload, STATS_SIZE, 'statistics');
  return Object.fromEntries(STATS.map((name, index) => [name, values[index]!])) as DeviceStats;
}

export function encodeVersion(info: VersionInfo): Uint8Array {
  const bytes = new Uint8Array(VERSION_SIZE);
  bytes.set([...info.protocol, ...info.bootloader, ...info.firmware]);
  return bytes;
}

export function decodeVersion(payload: Uint8Array): VersionInfo {
  const view = viewOf(payload, VERSION_SIZE, 'version');
  const triple = (at: number): Version => [view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2)];
  return { protocol: triple(0), bootloader: triple(3), firmware: triple(6) };
}

export const versionText = (version: Version): string => version.join('.');

export function encodeSystemInfo(info: SystemInfo): Uint8Array {
  const usbId = (info.usbVendorId << 16) | info.usbProductId;
  const sizes = [info.flashKb, info.ramKb, info.framebufferKb, info.streamBufferKb];
  return words([
    info.cpuId,
    ...info.deviceId,
    usbId,
    ...info.chipIds,
    ...[0, 0],
    ...info.hardwareCaps,
    ...sizes,
    ...[0, 0, 0],
  ]);
}

export function decodeSystemInfo(payload: Uint8Array): SystemInfo {
  const word = wordsOf(payload, SYSTEM_INFO_SIZE, 'system information');
  return {
    cpuId: word[0]!,
    deviceId: [word[1]!, word[2]!, word[3]!],
    usbVendorId: word[4]! >>> 16,
    usbProductId: word[4]! & 0xffff,
    chipIds: [word[5]!, word[6]!, word[7]!],
    hardwareCaps: [word[10]!, word[11]!],
    flashKb: word[12]!,
    ramKb: word[13]!,
    framebufferKb: word[14]!,
    streamBufferKb: word[15]!,
  };
}

export function encodeMemory(entries: readonly MemoryEntry[]): Uint8Array {
  const all = entries.flatMap(({ type, flags, total, used, free, persist, peak }) => [
    (type === 'uma' ? 1 : 0) | (flags << 16),
    ...[total, used, free, persist, peak],
  ]);
  return words([entries.length, ...all]);
}

export function decodeMemory(payload: Uint8Array): MemoryEntry[] {
  const count = viewOf(payload, MEMORY_HEADER_SIZE, 'memory statistics').getUint8(0);
  const all = wordsOf(payload, MEMORY_HEADER_SIZE + count * MEMORY_ENTRY_SIZE, 'memory statistics');
  return Array.from({ length: count }, (_, index) => {
    const [head = 0, total = 0, used = 0, free = 0, persist = 0, peak = 0] = all.slice(1 + 6 * index);
    const type = MEMORY_TYPES[head & 0xff] ?? 'unknown';
    return { type, flags: head >>> 16, total, used, free, persist, peak };
  });
}
