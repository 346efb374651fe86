import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import {
  CAPS_SIZE,
  CHANNEL_ENTRY_SIZE,
  type ChannelEntry,
  decodeCaps,
  decodeChannelList,
  decodeHalfWord,
  decodeIoctlRequest,
  decodeIoRequest,
  decodeMemory,
  decodeShape,
  decodeStats,
  decodeSystemInfo,
  decodeVersion,
  decodeWord,
  encodeCaps,
  encodeChannelList,
  encodeHalfWord,
  encodeIoctlRequest,
  encodeIoRequest,
  encodeMemory,
  encodeShape,
  encodeStats,
  encodeSystemInfo,
  encodeVersion,
  encodeWord,
  IO_REQUEST_SIZE,
  IOCTL_REQUEST_SIZE,
  type MemoryEntry,
  STATS_SIZE,
  SYSTEM_INFO_SIZE,
  VERSION_SIZE,
  versionText,
} from '../../../src/protocol/index.js';

const word = fc.nat(0xffffffff);
const byte = fc.nat(0xff);
const half = fc.nat(0xffff);
const triple = fc.tuple(byte, byte, byte);

const caps = fc.record({
  crc: fc.boolean(),
  sequence: fc.boolean(),
  ack: fc.boolean(),
  events: fc.boolean(),
  maxPayload: half,
});
const stats = fc.record({
  sentPackets: word,
  receivedPackets: word,
  checksumErrors: word,
  sequenceErrors: word,
  retransmits: word,
  transportErrors: word,
  sentEvents: word,
});
const version = fc.record({ protocol: triple, bootloader: triple, firmware: triple });
const systemInfo = fc.record({
  cpuId: word,
  deviceId: fc.tuple(word, word, word),
  usbVendorId: half,
  usbProductId: half,
  chipIds: fc.tuple(word, word, word),
  hardwareCaps: fc.tuple(word, word),
  flashKb: word,
  ramKb: word,
  framebufferKb: word,
  streamBufferKb: word,
});
const memory = fc.array(
  fc.record<MemoryEntry>({
    type: fc.constantFrom('gc', 'uma'),
    flags: half,
    total: word,
    used: word,
    free: word,
    persist: word,
    peak: word,
  }),
  { maxLength: 20 },
);
const name = fc.string({ unit: fc.constantFrom(...'abcdefghij_0123456789'), maxLength: 13 });
const channels = fc.array(fc.record<ChannelEntry>({ id: byte, flags: byte, name }), { maxLength: 32 });

/** Encodes, puts the bytes somewhere inside a larger buffer, with bytes of a later firmware behind it, and decodes. */
function roundTrip<T>(
  value: T,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
  tail = 3,
): void {
  const bytes = encode(value);
  const around = new Uint8Array(bytes.length + 5 + tail).fill(0xee);
  around.set(bytes, 5);
  expect(decode(around.subarray(5, 5 + bytes.length + tail))).toEqual(value);
}

describe('what is encoded is decoded again, whatever follows it', () => {
  it('capabilities', () => fc.assert(fc.property(caps, (value) => roundTrip(value, encodeCaps, decodeCaps))));
  it('statistics', () =>
    fc.assert(fc.property(stats, (value) => roundTrip(value, encodeStats, decodeStats))));
  it('versions', () =>
    fc.assert(fc.property(version, (value) => roundTrip(value, encodeVersion, decodeVersion))));
  it('system information', () =>
    fc.assert(fc.property(systemInfo, (value) => roundTrip(value, encodeSystemInfo, decodeSystemInfo))));
  it('memory statistics', () =>
    fc.assert(fc.property(memory, (value) => roundTrip(value, encodeMemory, decodeMemory))));
  it('the channel list', () =>
    fc.assert(fc.property(channels, (value) => roundTrip(value, encodeChannelList, decodeChannelList, 0))));
  it('a word', () =>
    fc.assert(
      fc.property(word, (value) => roundTrip(value, encodeWord, (bytes) => decodeWord(bytes, 'size'))),
    ));
  it('a half-word', () =>
    fc.assert(
      fc.property(half, (value) =>
        roundTrip(value, encodeHalfWord, (bytes) => decodeHalfWord(bytes, 'status')),
      ),
    ));
  it('a shape', () =>
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (value) =>
        roundTrip(value, encodeShape, decodeShape, 0),
      ),
    ));
  it('read and write requests', () =>
    fc.assert(
      fc.property(word, word, fc.uint8Array({ maxLength: 50 }), (offset, length, data) => {
        expect(decodeIoRequest(encodeIoRequest(offset, length, data))).toEqual({ offset, length, data });
      }),
    ));
  it('ioctl requests', () =>
    fc.assert(
      fc.property(word, fc.uint8Array({ maxLength: 50 }), (request, argument) => {
        expect(decodeIoctlRequest(encodeIoctlRequest(request, argument))).toEqual({ request, argument });
      }),
    ));
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('golden bytes', () => {
  it('capabilities: the flags are CRC 1, sequence 2, ACK 4, events 8', () => {
    const none = { crc: false, sequence: false, ack: false, events: false, maxPayload: 0x1234 };
    const tail = `3412${'00'.repeat(10)}`;
    expect(hex(encodeCaps({ ...none, crc: true }))).toBe(`01000000${tail}`);
    expect(hex(encodeCaps({ ...none, sequence: true }))).toBe(`02000000${tail}`);
    expect(hex(encodeCaps({ ...none, ack: true }))).toBe(`04000000${tail}`);
    expect(hex(encodeCaps({ ...none, events: true }))).toBe(`08000000${tail}`);
  });

  it('statistics: seven words and a reserved one', () => {
    const bytes = encodeStats({
      sentPackets: 1,
      receivedPackets: 2,
      checksumErrors: 3,
      sequenceErrors: 4,
      retransmits: 5,
      transportErrors: 6,
      sentEvents: 0xfffffff7,
    });
    expect(hex(bytes)).toBe('01000000020000000300000004000000050000000600000' + '0f7ffffff00000000');
  });

  it('versions, as a device with firmware 5.0.0 sends them', () => {
    const bytes = Uint8Array.from(Buffer.from('01000201000305000000000000000000', 'hex'));
    const info = { protocol: [1, 0, 2], bootloader: [1, 0, 3], firmware: [5, 0, 0] } as const;
    expect(decodeVersion(bytes)).toEqual(info);
    expect(encodeVersion(info)).toEqual(bytes);
    expect(versionText(info.firmware)).toBe('5.0.0');
  });

  it('system information: the USB ids share a word, vendor in the upper half', () => {
    const bytes = encodeSystemInfo({
      cpuId: 0x411fc271,
      deviceId: [1, 2, 3],
      usbVendorId: 0x37c5,
      usbProductId: 0x1204,
      chipIds: [0x5640, 0, 0],
      hardwareCaps: [7, 8],
      flashKb: 0,
      ramKb: 0,
      framebufferKb: 4096,
      streamBufferKb: 1024,
    });
    expect(hex(bytes)).toBe(
      [
        '71c21f41', // CPU id
        '010000000200000003000000', // device id
        '0412c537', // USB 37C5:1204
        '405600000000000000000000', // sensor ids
        '0000000000000000', // reserved
        '0700000008000000', // hardware capabilities
        '0000000000000000', // flash and RAM, which the firmware leaves 0
        '0010000000040000', // frame buffer and stream buffer in KB
        '000000000000000000000000', // reserved
      ].join(''),
    );
  });

  it('memory statistics: a header of 4 bytes, 24 for each entry', () => {
    const entry: MemoryEntry = {
      type: 'uma',
      flags: 0x0102,
      total: 16,
      used: 5,
      free: 11,
      persist: 1,
      peak: 9,
    };
    expect(hex(encodeMemory([entry]))).toBe(
      `01000000${'01000201'}${'10000000'}${'05000000'}${'0b000000'}${'01000000'}${'09000000'}`,
    );
  });

  it('a memory entry of a type that is not known yet', () => {
    const bytes = encodeMemory([{ type: 'gc', flags: 0, total: 1, used: 1, free: 0, persist: 0, peak: 0 }]);
    bytes[4] = 9;
    expect(decodeMemory(bytes)[0]?.type).toBe('unknown');
  });

  it('a channel entry: id, flags, a name of at most 13 characters and a NUL', () => {
    expect(hex(encodeChannelList([{ id: 5, flags: 0x21, name: 'frame' }]))).toBe(
      `0521${Buffer.from('frame').toString('hex')}${'00'.repeat(9)}`,
    );
    const long = encodeChannelList([{ id: 1, flags: 0, name: 'a_name_of_16_ch.' }]);
    expect(long).toHaveLength(CHANNEL_ENTRY_SIZE);
    expect(long.at(-1)).toBe(0);
    expect(decodeChannelList(long)[0]?.name).toBe('a_name_of_16_');
  });

  it('requests: offset, length and data; request number and argument', () => {
    expect(hex(encodeIoRequest(0x10, 0x400, Uint8Array.of(1, 2)))).toBe('10000000000400000102');
    expect(hex(encodeIoctlRequest(2, Uint8Array.of(7)))).toBe('0200000007');
    expect(hex(encodeShape([1, 2]))).toBe('0100000002000000');
    expect(hex(encodeWord(0xfffffffe))).toBe('feffffff');
    expect(hex(encodeHalfWord(0xffff))).toBe('ffff');
  });
});

/** Structures, the fewest bytes they take, and the name that the error gives them. */
const SHORT: [name: string, size: number, decode: (bytes: Uint8Array) => unknown][] = [
  ['capabilities', CAPS_SIZE, decodeCaps],
  ['statistics', STATS_SIZE, decodeStats],
  ['version', VERSION_SIZE, decodeVersion],
  ['system information', SYSTEM_INFO_SIZE, decodeSystemInfo],
  ['memory statistics', 4, decodeMemory],
  ['shape', 4, decodeShape],
  ['read or write request', IO_REQUEST_SIZE, decodeIoRequest],
  ['ioctl request', IOCTL_REQUEST_SIZE, decodeIoctlRequest],
  ['channel size', 4, (bytes) => decodeWord(bytes, 'channel size')],
  ['status', 2, (bytes) => decodeHalfWord(bytes, 'status')],
];

describe.each(SHORT)('a payload too short for the %s', (structure, size, decode) => {
  it('is an error that says so, at every length', () => {
    for (let length = 0; length < size; length++) {
      let error: unknown;
      try {
        decode(new Uint8Array(length));
      } catch (caught) {
        error = caught;
      }
      expect(error, `${length} bytes`).toBeInstanceOf(BridgeError);
      expect((error as BridgeError).code).toBe('CAMERA_PROTOCOL');
      expect((error as BridgeError).context).toEqual({ structure, length, expected: size });
    }
    expect(() => decode(new Uint8Array(size))).not.toThrow();
  });
});

describe('lists cut short', () => {
  it('do not pass for shorter lists', () => {
    const list = encodeChannelList([
      { id: 1, flags: 0, name: 'one' },
      { id: 2, flags: 0, name: 'two' },
    ]);
    expect(() => decodeChannelList(list.subarray(0, 31))).toThrow(BridgeError);
    expect(decodeChannelList(new Uint8Array(0))).toEqual([]);
  });

  it('nor do memory statistics with more entries claimed than sent', () => {
    const bytes = encodeMemory([{ type: 'gc', flags: 0, total: 1, used: 1, free: 0, persist: 0, peak: 0 }]);
    bytes[0] = 2;
    expect(() => decodeMemory(bytes)).toThrow(/memory statistics has 28 bytes, at least 52/);
  });

  it('nor a shape that ends inside a word', () => {
    expect(() => decodeShape(new Uint8Array(6))).toThrow(BridgeError);
  });
});
