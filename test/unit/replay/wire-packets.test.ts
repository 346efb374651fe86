import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePacket, Flag, Opcode } from '../../../src/protocol/index.js';
import {
  itemText,
  PacketStats,
  PacketWords,
  troubleOf,
  type WireEntry,
  type WireItem,
  WirePackets,
} from '../../../src/replay/index.js';
import { readWireLines, wireLine } from '../../../src/replay/wire-lines.js';
import { CAPTURES, loadCapture } from '../../golden/captures.js';

function itemsOf(entries: readonly WireEntry[]): WireItem[] {
  const items: WireItem[] = [];
  const packets = new WirePackets((item) => items.push(item));
  for (const entry of entries) packets.take(entry);
  packets.finish();
  return items;
}

const bytes = (from: 'host' | 'camera', chunk: Uint8Array, atMs = 1): WireEntry => ({
  ...{ atMs, type: 'bytes', from },
  bytes: chunk,
});
const read = encodePacket(
  { sequence: 7, channel: 4, flags: Flag.ACK_REQ | Flag.FRAGMENT, opcode: Opcode.CHANNEL_READ },
  Uint8Array.from({ length: 100 }, (_, index) => index),
);

async function entriesOf(name: string): Promise<WireEntry[]> {
  const entries: WireEntry[] = [];
  for await (const entry of readWireLines(`test/golden/${name}.jsonl.br`)) entries.push(entry);
  return entries;
}

describe.each(CAPTURES)('the recording %s', (name) => {
  it('has the packets that the decoder finds in it, at their times, byte for byte', async () => {
    const items = itemsOf(await entriesOf(name));
    const known = loadCapture(name).packets;
    expect(items).toHaveLength(known.length);
    for (const [index, item] of items.entries()) {
      const { from, header, payload, bytes: raw, ms } = known[index]!;
      expect(item).toMatchObject({ type: 'packet', crc: 'ok', from, atMs: ms, header });
      if (item.type !== 'packet') continue;
      expect(Buffer.compare(item.payload, payload)).toBe(0);
      expect(Buffer.compare(item.bytes, raw)).toBe(0);
    }
  });

  it('is the same after it was written again', async () => {
    const entries = await entriesOf(name);
    const again = entries.map((entry) => JSON.parse(wireLine(entry)) as { hex: string; ms: number });
    for (const [index, { hex, ms }] of again.entries()) {
      const entry = entries[index]!;
      expect(ms).toBe(entry.atMs);
      expect(entry.type === 'bytes' && Buffer.from(entry.bytes).toString('hex')).toBe(hex);
    }
  });
});

describe('damage', () => {
  it('of a payload is shown with its packet', () => {
    const wrong = read.slice();
    wrong[50]! ^= 1;
    const items = itemsOf([bytes('camera', wrong, 3), bytes('camera', read, 9)]);
    expect(items).toMatchObject([
      { type: 'packet', crc: 'damaged', atMs: 3, header: { opcode: Opcode.CHANNEL_READ, length: 100 } },
      { type: 'packet', crc: 'ok', atMs: 9 },
    ]);
    expect(items.map(troubleOf)).toEqual(['damaged', undefined]);
    const [first] = items;
    expect(first?.type === 'packet' && Buffer.compare(first.bytes, wrong)).toBe(0);
  });

  it('of a header leaves bytes that are no packet', () => {
    const wrong = read.slice();
    wrong[6]! ^= 1;
    expect(itemsOf([bytes('camera', wrong, 3), bytes('camera', read, 9)])).toMatchObject([
      { type: 'noise', from: 'camera', atMs: 3, bytes: { length: wrong.length } },
      { type: 'packet', crc: 'ok', atMs: 9 },
    ]);
  });

  it('a packet that was cut short by the end is no packet', () => {
    const items = itemsOf([
      bytes('camera', read.subarray(0, 60)),
      { atMs: 5, type: 'closed', code: 'PORT_CLOSED' },
      bytes('camera', read),
    ]);
    expect(items).toMatchObject([
      { type: 'noise', bytes: { length: 60 } },
      { type: 'closed', code: 'PORT_CLOSED' },
      { type: 'packet', crc: 'ok' },
    ]);
  });

  it('every byte is in an item, in any chunking', () => {
    const piece = fc.oneof(
      fc.constant(read),
      fc.uint8Array({ maxLength: 30 }),
      fc.nat(read.length - 1).map((at) => read.map((byte, index) => (index === at ? byte ^ 0x40 : byte))),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 200 }), (pieces, size) => {
        const all = Buffer.concat(pieces);
        const chunks: WireEntry[] = [];
        for (let at = 0; at < all.length; at += size)
          chunks.push(bytes('camera', all.subarray(at, at + size)));
        const items = itemsOf(chunks);
        // A damaged packet may have whole ones in it, which are told as well.
        const inside = items.some((item) => item.type === 'packet' && item.crc === 'damaged');
        const told = items.reduce((sum, item) => sum + ('bytes' in item ? item.bytes.length : 0), 0);
        expect(told).toBeGreaterThanOrEqual(all.length);
        if (!inside) expect(told).toBe(all.length);
        const whole = itemsOf([bytes('camera', all)]);
        expect(items.map((item) => ('bytes' in item ? Buffer.from(item.bytes).toString('hex') : ''))).toEqual(
          whole.map((item) => ('bytes' in item ? Buffer.from(item.bytes).toString('hex') : '')),
        );
      }),
    );
  });
});

describe('checksums', () => {
  it('that were negotiated off are not looked at, until the next SYNC', () => {
    const caps = Uint8Array.from(Buffer.from('0a000000f20f00000000000000000000', 'hex'));
    const off = (sequence: number, payload?: Uint8Array): Uint8Array =>
      encodePacket({ sequence, channel: 0, flags: 0, opcode: Opcode.CHANNEL_POLL }, payload, false);
    const items = itemsOf([
      bytes('host', encodePacket({ sequence: 1, channel: 0, flags: 0, opcode: Opcode.PROTO_SET_CAPS }, caps)),
      bytes(
        'camera',
        encodePacket({ sequence: 1, channel: 0, flags: Flag.ACK, opcode: Opcode.PROTO_SET_CAPS }),
      ),
      bytes('host', off(2)),
      bytes('camera', off(2, Uint8Array.of(1, 0, 0, 0))),
    ]);
    expect(items.map((item) => item.type === 'packet' && item.crc)).toEqual(['ok', 'ok', 'off', 'off']);
  });
});

describe('in words', () => {
  it('names opcodes, channels, flags and what payloads say', async () => {
    const words = new PacketWords();
    const items = itemsOf(await entriesOf('exec-and-stdout'));
    const lines = items.map((item) => {
      words.follow(item);
      return itemText(item, words, items[0]!.atMs);
    });
    const text = lines.join('\n');
    expect(lines[0]).toMatch(/^ +0\.000000 -> PROTO_SYNC .*#0 .*0 B crc ok$/);
    expect(text).toMatch(/<- CHANNEL_LIST .*0 usb, 1 stdin, 2 stdout, 3 stream, 4 frame/);
    expect(text).toMatch(/-> CHANNEL_IOCTL +ch 1 stdin .*STOP$/m);
    expect(text).toMatch(/<- CHANNEL_EVENT +ch 1 stdin .*event STARTED$/m);
    expect(text).toMatch(/<- SYS_EVENT .*event SOFT_REBOOT$/m);
    expect(text).toMatch(/NAK .*refused: SEQUENCE$/m);
    expect(text).toMatch(/-> CHANNEL_READ +ch 2 stdout .*offset 0 length \d+$/m);
  });

  it('a payload that is too short for its opcode has none', () => {
    const [item] = itemsOf([
      bytes(
        'host',
        encodePacket({ sequence: 0, channel: 2, flags: 0, opcode: Opcode.CHANNEL_READ }, Uint8Array.of(1)),
      ),
    ]);
    expect(itemText(item!, new PacketWords(), 0)).toMatch(/CHANNEL_READ.*1 B crc ok$/);
  });
});

describe('figures', () => {
  it('count packets and bytes by opcode and side', async () => {
    const stats = new PacketStats();
    for (const item of itemsOf(await entriesOf('acks-on'))) stats.take(item);
    const { packets } = loadCapture('acks-on');
    const of = (from: string) => packets.filter((packet) => packet.from === from);
    const size = (from: string): number => of(from).reduce((sum, { bytes: raw }) => sum + raw.length, 0);
    const figures = stats.result();
    expect(figures).toMatchObject({
      host: { packets: of('host').length, bytes: size('host') },
      camera: { packets: of('camera').length, bytes: size('camera') },
      ...{ damaged: 0, nak: 0, repeated: 0, noise: 0, noiseBytes: 0, broken: 0 },
    });
    const reads = packets.filter(({ header }) => header.opcode === Opcode.CHANNEL_READ);
    expect(figures.opcodes['CHANNEL_READ']?.camera.packets).toBe(
      reads.filter(({ from }) => from === 'camera').length,
    );
    expect(figures.answerMs.max).toBeGreaterThanOrEqual(figures.answerMs.p50!);
  });
});
