import { describe, expect, it } from 'vitest';
import { Flag, Opcode, Status } from '../../src/protocol/constants.js';
import { decodeHalfWord, decodeIoRequest } from '../../src/protocol/index.js';
import { CAPTURES, type CapturedPacket, FRAMES, loadCapture } from './captures.js';

const has = (packet: CapturedPacket, flag: number): boolean => (packet.header.flags & flag) !== 0;

describe.each(CAPTURES)('the recording %s', (name) => {
  it('decodes whole: no byte of either side is left over', () => {
    const { packets, bytes, stats } = loadCapture(name);
    for (const from of ['host', 'camera'] as const) {
      expect(stats[from]).toMatchObject({
        discardedBytes: 0,
        headerErrors: 0,
        payloadErrors: 0,
        oversized: 0,
      });
      const again = Buffer.concat(
        packets.filter((packet) => packet.from === from).map((packet) => packet.bytes),
      );
      expect(Buffer.compare(again, bytes[from])).toBe(0);
    }
    expect(packets.length).toBeGreaterThan(40);
  });

  it('numbers its packets by the rules', () => {
    let number = 0;
    for (const packet of loadCapture(name).packets) {
      const { sequence, opcode } = packet.header;
      const what = `${packet.from} at ${packet.ms} ms`;
      if (opcode === Opcode.PROTO_SYNC) {
        expect(sequence, what).toBe(0);
        number = 0;
      } else if (packet.from === 'camera' && has(packet, Flag.NAK)) {
        // Refused for its number: the interpreter was restarted, and counts from 0 again.
        expect(decodeHalfWord(packet.payload, 'status'), what).toBe(Status.SEQUENCE);
        expect(sequence, what).toBe(0);
        number = 1;
      } else if (packet.from === 'camera' && has(packet, Flag.EVENT)) {
        expect(sequence, what).toBe(number);
      } else if (packet.from === 'camera') {
        expect(sequence, what).toBe(number);
        number = (number + 1) & 0xff;
      } else if (has(packet, Flag.ACK)) {
        expect(sequence, what).toBe((number - 1) & 0xff);
        expect(packet.bytes, what).toHaveLength(10);
      } else {
        expect(sequence, what).toBe(number);
      }
    }
  });

  it('holds whole JPEGs in its READ replies, and nothing but whole ones', () => {
    const frames = readFrames(loadCapture(name).packets);
    expect(frames).toHaveLength(FRAMES[name]);
    for (const { wanted, jpeg } of frames) {
      expect(jpeg).toHaveLength(wanted);
      expect(Array.from(jpeg.subarray(0, 3))).toEqual([0xff, 0xd8, 0xff]);
      expect(Array.from(jpeg.subarray(-2))).toEqual([0xff, 0xd9]);
    }
  });
});

describe('the same frames', () => {
  it('come over the wire with any settings: the first of each recording is one picture', () => {
    const first = CAPTURES.filter((name) => FRAMES[name] > 0).map(
      (name) => readFrames(loadCapture(name).packets)[0]!.jpeg,
    );
    for (const jpeg of first) expect(Buffer.compare(jpeg, first[0]!)).toBe(0);
  });
});

/** What each READ of the frame channel asked for, and the bytes of its reply. */
function readFrames(packets: readonly CapturedPacket[]): { wanted: number; jpeg: Buffer }[] {
  const frames: { wanted: number; parts: Uint8Array[] }[] = [];
  for (const packet of packets) {
    const { opcode, channel, flags } = packet.header;
    if (opcode !== Opcode.CHANNEL_READ || channel !== 4 || (flags & Flag.ACK) !== 0) continue;
    if (packet.from === 'host') frames.push({ wanted: decodeIoRequest(packet.payload).length, parts: [] });
    else frames.at(-1)!.parts.push(packet.payload);
  }
  return frames.map(({ wanted, parts }) => ({ wanted, jpeg: Buffer.concat(parts) }));
}
