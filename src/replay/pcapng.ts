/**
 * Packets as a pcapng file (IETF draft-ietf-opsawg-pcapng), for Wireshark: one block a packet, of link type USER0 (147), which
 * tools/wireshark/openmv.lua dissects. The direction is in each block's flags: to the camera is outbound.
 */
import type { WireNoise, WirePacket } from './wire-packets.js';

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const USER0 = 147;
const SNAP_LENGTH = 0x40000;
/** Options of blocks. */
const END = 0;
const COMMENT = 1;
const HARDWARE = 2;
const INTERFACE_NAME = 2;
const TIME_RESOLUTION = 9;
const FLAGS = 2;
const INBOUND = 1;
const OUTBOUND = 2;
/** Ticks of 1 us, as a power of ten. */
const MICROSECONDS = 6;

/** What the file begins with; `name`: of the line. */
export function pcapngHead(name: string): Buffer {
  const section = Buffer.alloc(16);
  section.writeUInt32LE(BYTE_ORDER, 0);
  section.writeUInt16LE(1, 4);
  section.writeBigInt64LE(-1n, 8);
  const face = Buffer.alloc(8);
  face.writeUInt16LE(USER0, 0);
  face.writeUInt32LE(SNAP_LENGTH, 4);
  return Buffer.concat([
    block(SECTION, section, [[HARDWARE, Buffer.from('OpenMV camera')]]),
    block(INTERFACE, face, [
      [INTERFACE_NAME, Buffer.from(name)],
      [TIME_RESOLUTION, Buffer.from([MICROSECONDS])],
    ]),
  ]);
}

/** One packet, or bytes that are none. */
export function pcapngBlock(item: WirePacket | WireNoise): Buffer {
  const { bytes, from, atMs } = item;
  const ticks = BigInt(Math.round(atMs * 1_000));
  const head = Buffer.alloc(20);
  head.writeUInt32LE(Number(ticks >> 32n), 4);
  head.writeUInt32LE(Number(ticks & 0xffff_ffffn), 8);
  head.writeUInt32LE(bytes.length, 12);
  head.writeUInt32LE(bytes.length, 16);
  const flags = Buffer.alloc(4);
  flags.writeUInt32LE(from === 'host' ? OUTBOUND : INBOUND);
  const comment = item.type === 'noise' ? 'bytes that are no packet' : undefined;
  return block(ENHANCED_PACKET, Buffer.concat([head, padded(Buffer.from(bytes))]), [
    [FLAGS, flags],
    ...(comment === undefined ? [] : [[COMMENT, Buffer.from(comment)] as const]),
  ]);
}

function block(
  type: number,
  body: Buffer,
  options: readonly (readonly [code: number, value: Buffer])[],
): Buffer {
  const list = [...options, [END, Buffer.alloc(0)] as const].map(([code, value]) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(code, 0);
    head.writeUInt16LE(value.length, 2);
    return Buffer.concat([head, padded(value)]);
  });
  const content = Buffer.concat([body, ...list]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32LE(type, 0);
  frame.writeUInt32LE(content.length + 12, 4);
  return Buffer.concat([frame, content, frame.subarray(4)]);
}

/** Blocks and options are of whole words. */
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
