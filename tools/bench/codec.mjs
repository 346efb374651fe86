/**
 * CRC and decoder throughput over 4 KB payloads, beside a plain copy of the same bytes in the same run. The decoder
 * takes 64 KB chunks, as a serial port gives them, and puts each payload into a frame's buffer.
 */
import { crc32 } from 'crc';
import { headerCrc, payloadCrc } from '../../dist/protocol/crc.js';
import { StreamDecoder } from '../../dist/protocol/decoder.js';
import { encodePacket } from '../../dist/protocol/packet.js';
import { gigabytes, rate, row } from './measure.mjs';

const PAYLOAD = 4_096;
const PACKETS = 256;
const CHUNK = 65_536;

export default function codec() {
  const bytes = Buffer.from(Array.from({ length: PAYLOAD }, (_, i) => (i * 167 + (i >> 5)) & 0xff));
  const target = Buffer.alloc(PAYLOAD);
  const copy = rate(() => target.set(bytes)) * PAYLOAD;
  row('copy, 4 KB', gigabytes(copy));
  const crc = rate(() => payloadCrc.compute(bytes)) * PAYLOAD;
  row('CRC-32 of a payload, 4 KB', gigabytes(crc), `${(copy / crc).toFixed(1)} x the time of the copy`);
  const crc16 = rate(() => headerCrc.compute(bytes)) * PAYLOAD;
  row('CRC-16, 4 KB', gigabytes(crc16));
  const ieee = rate(() => crc32(bytes)) * PAYLOAD;
  row(
    'the crc package: CRC-32 (IEEE), 4 KB',
    gigabytes(ieee),
    `ours is ${(crc / ieee).toFixed(1)} x as fast`,
  );

  const stream = Buffer.concat(
    Array.from({ length: PACKETS }, (_, sequence) =>
      encodePacket({ sequence: sequence & 0xff, channel: 5, flags: 16, opcode: 0x26 }, bytes),
    ),
  );
  const chunks = [];
  for (let at = 0; at < stream.length; at += CHUNK) chunks.push(stream.subarray(at, at + CHUNK));
  const frame = Buffer.alloc(PACKETS * PAYLOAD);
  const decode = (sink) => {
    const decoder = new StreamDecoder(sink, 8_192);
    const pushAll = () => {
      for (const chunk of chunks) decoder.push(chunk);
    };
    return rate(pushAll) * stream.length;
  };
  const placed = decode({
    place: (header, slot) => {
      slot.buffer = frame;
      slot.offset = header.sequence * PAYLOAD;
    },
    packet: () => undefined,
  });
  row(
    'decoder, 4 KB packets into a frame',
    gigabytes(placed),
    `${(copy / placed).toFixed(1)} x the time of the copy`,
  );
  row('  of that time, CRC', `${((100 * placed) / crc).toFixed(0)} %`);
}
