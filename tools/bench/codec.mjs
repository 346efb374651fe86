/**
 * CRC and decoder throughput over 4 KB payloads, beside memcpy and zlib's own CRC of the same bytes in the same run. The
 * decoder takes 64 KB chunks, as a serial port gives them, and puts each payload into a frame's buffer.
 */
import * as zlib from 'node:zlib';
import { crc32 } from 'crc';
import { headerCrc, payloadCrc } from '../../dist/protocol/crc.js';
import { StreamDecoder } from '../../dist/protocol/decoder.js';
import { encodePacket } from '../../dist/protocol/packet.js';
import { rate, row, skipped } from './report.mjs';

const PAYLOAD = 4_096;
const PACKETS = 256;
const CHUNK = 65_536;

export default function codec() {
  const bytes = Buffer.from(Array.from({ length: PAYLOAD }, (_, i) => (i * 167 + (i >> 5)) & 0xff));
  const target = Buffer.alloc(PAYLOAD);
  const gigabytes = (work, size = PAYLOAD) => (rate(work) * size) / 1e9;
  const copy = gigabytes(() => target.set(bytes));
  row('memcpy, 4 KB', copy, 'GB/s');
  const crc = gigabytes(() => payloadCrc.compute(bytes));
  row('CRC-32 of a payload, 4 KB', crc, 'GB/s', `${(copy / crc).toFixed(1)} x the time of memcpy`);
  row(
    'CRC-16, 4 KB',
    gigabytes(() => headerCrc.compute(bytes)),
    'GB/s',
  );
  // Another polynomial: zlib's cannot be the protocol's.
  if (zlib.crc32) {
    const native = gigabytes(() => zlib.crc32(bytes));
    row(
      'zlib: CRC-32 (IEEE), 4 KB, native',
      native,
      'GB/s',
      `${(native / crc).toFixed(1)} x as fast as ours`,
    );
  } else skipped('zlib: CRC-32 (IEEE), 4 KB, native', 'this Node has no zlib.crc32 (20.15 has)');
  const ieee = gigabytes(() => crc32(bytes));
  row('the crc package: CRC-32 (IEEE), 4 KB', ieee, 'GB/s', `ours is ${(crc / ieee).toFixed(1)} x as fast`);

  const stream = Buffer.concat(
    Array.from({ length: PACKETS }, (_, sequence) =>
      encodePacket({ sequence: sequence & 0xff, channel: 5, flags: 16, opcode: 0x26 }, bytes),
    ),
  );
  const chunks = [];
  for (let at = 0; at < stream.length; at += CHUNK) chunks.push(stream.subarray(at, at + CHUNK));
  const frame = Buffer.alloc(PACKETS * PAYLOAD);
  const decoder = new StreamDecoder(
    {
      place: (header, slot) => {
        slot.buffer = frame;
        slot.offset = header.sequence * PAYLOAD;
      },
      packet: () => undefined,
    },
    8_192,
  );
  const placed = gigabytes(() => {
    for (const chunk of chunks) decoder.push(chunk);
  }, stream.length);
  row(
    'decoder, 4 KB packets into a frame',
    placed,
    'GB/s',
    `${(copy / placed).toFixed(1)} x the time of memcpy`,
  );
  row('  of that time, CRC', (100 * placed) / crc, '%');
}
