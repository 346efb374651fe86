import { readFileSync, statSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { OWNER_SIZE } from '../../../src/shm/memory/owner.js';
import { VIZN } from '../../../src/shm/vizn/vizn-layout.js';
import { openViznWriter, type ViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { pathOf, uniqueName } from '../../e2e/shm/support.js';

let writer: ViznWriter | undefined;

afterEach(() => writer?.close());

function bytes(hex: string): number[] {
  return [...Buffer.from(hex.replace(/\s/g, ''), 'hex')];
}

test('a published frame has this header, byte for byte', () => {
  const name = uniqueName();
  writer = openViznWriter({ name, size: 4096 });
  writer.write({
    jpeg: Uint8Array.of(0xff, 0xd8, 0xff, 0xd9, 0xaa),
    width: 640,
    height: 480,
    timestampNs: 0x0102030405060708n,
    sequence: 0x11223344,
  });
  const file = readFileSync(pathOf(name));
  expect([...file.subarray(0, 56)]).toEqual(
    bytes(
      `
      4e 5a 49 56                magic 0x56495a4e, low byte first
      80 02 00 00                width 640
      e0 01 00 00                height 480
      04 00 00 00                format: MJPG is number 4
      05 00 00 00                data_size
      00 00 00 00                padding before the 64-bit field
      08 07 06 05 04 03 02 01    timestamp_ns
      44 33 22 11                frame_sequence
      02 00 00 00                write_sequence: two steps for one frame
      4d 4a 50 47 00 00 00 00    format_str "MJPG",
      00 00 00 00 00 00 00 00      NUL-padded to 16
    `.replace(/^(\s*(?:[0-9a-f]{2} )*[0-9a-f]{2}).*$/gm, '$1'),
    ),
  );
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const startTime = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!);
  const namespace = statSync('/proc/self/ns/pid').ino;
  const owner = new DataView(file.buffer, file.byteOffset + 56, 24);
  // The owner record in the reserved bytes.
  expect(file.subarray(56, 60).toString('latin1')).toBe('OMVB'); // 56: magic
  expect(owner.getUint32(4, true)).toBe(process.pid); // 60: pid
  expect(owner.getBigUint64(8, true)).toBe(startTime); // 64: start time in clock ticks
  expect(owner.getUint32(16, true)).toBe(namespace); // 72: pid namespace
  expect(owner.getUint32(20, true)).toBe(1); // 76: state, 1 is open
  expect([...file.subarray(80, 88)]).toEqual([1, 0, 0, 0, 1, 0, 0, 0]); // 80: wake word; 84: wake kind, 1 is futex
  expect([...file.subarray(88, 128)]).toEqual(new Array(40).fill(0)); // 88: reserved
  expect([...file.subarray(128, 134)]).toEqual([0xff, 0xd8, 0xff, 0xd9, 0xaa, 0]); // 128: the frame
  expect(file.length).toBe(4096);
  expect([VIZN.offset.owner, OWNER_SIZE]).toEqual([56, 24]);
});

test('a segment without a frame is zero but for magic and owner', () => {
  const name = uniqueName();
  writer = openViznWriter({ name, size: 1000 });
  const file = readFileSync(pathOf(name));
  expect([...file.subarray(0, 56)]).toEqual([0x4e, 0x5a, 0x49, 0x56, ...new Array(52).fill(0)]);
  expect([...file.subarray(80, 88)]).toEqual([0, 0, 0, 0, 1, 0, 0, 0]);
  expect([...file.subarray(88)]).toEqual(new Array(912).fill(0));
});

test('milliseconds become nanoseconds without losing their fraction', () => {
  const name = uniqueName();
  writer = openViznWriter({ name, size: 1000 });
  const times: [number, bigint][] = [
    [1_700_000_000_123.25, 1_700_000_000_123_250_000n],
    [1_700_000_000_123, 1_700_000_000_123_000_000n],
    [0, 0n],
    [0.000001, 1n],
  ];
  for (const [timestampMs, expected] of times) {
    writer.write({ jpeg: Uint8Array.of(1), width: 1, height: 1, timestampMs, sequence: 1 });
    expect(readFileSync(pathOf(name)).readBigUInt64LE(24)).toBe(expected);
  }
});

test('a sequence beyond 32 bits goes on at 1, never at 0', () => {
  const name = uniqueName();
  writer = openViznWriter({ name, size: 1000 });
  const sequences: [number, number][] = [
    [1, 1],
    [0xffff_ffff, 0xffff_ffff],
    [0x1_0000_0000, 1],
    [0x1_ffff_fffe, 0xffff_ffff],
    [0x1_ffff_ffff, 1],
  ];
  for (const [sequence, expected] of sequences) {
    writer.write({ jpeg: Uint8Array.of(1), width: 1, height: 1, timestampMs: 1, sequence });
    expect(readFileSync(pathOf(name)).readUInt32LE(32)).toBe(expected);
  }
});
