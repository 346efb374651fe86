import { packetSize } from '../../src/protocol/packet.js';

/** The packets that go together in one write of the host's. */
export function packetsOf(bytes: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = packetSize(bytes[at + 6]! | (bytes[at + 7]! << 8));
    packets.push(bytes.subarray(at, at + size));
    at += size;
  }
  return packets;
}
