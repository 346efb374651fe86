/** The identity of a device under test: an H7 Plus with an OV5640, nothing about it measured. */

import type { MemoryEntry, SystemInfo, VersionInfo } from '../../src/protocol/index.js';
import type { DeviceIdentity } from '../../src/virtual/device/device-types.js';

export const TEST_VERSION: VersionInfo = { protocol: [1, 0, 2], bootloader: [1, 0, 3], firmware: [5, 0, 0] };

export const TEST_INFO: SystemInfo = {
  cpuId: 0x411f_c271,
  deviceId: [0x3031_4149, 0x2d4d_4953, 0x4d41_4355],
  usbVendorId: 0x37c5,
  usbProductId: 0x124a,
  chipIds: [0x5640, 0, 0],
  hardwareCaps: [0x0001_0007, 0],
  flashKb: 0,
  ramKb: 0,
  framebufferKb: 4096,
  streamBufferKb: 1024,
};

export const TEST_MEMORY: readonly MemoryEntry[] = [
  { type: 'gc', flags: 0, total: 245_760, used: 12_000, free: 233_760, persist: 0, peak: 0 },
  { type: 'uma', flags: 3, total: 8_388_608, used: 614_400, free: 7_774_208, persist: 4_096, peak: 921_600 },
];

export function testIdentity(
  onReset: (kind: 'reset' | 'bootloader') => void = () => undefined,
): DeviceIdentity {
  return {
    version: () => TEST_VERSION,
    systemInfo: () => TEST_INFO,
    memory: () => TEST_MEMORY,
    reset: onReset,
  };
}
