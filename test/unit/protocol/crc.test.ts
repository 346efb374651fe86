import { crc8, crc8dvbs2, crc16ccitt, crc16xmodem, crc24, crc32mpeg2 } from 'crc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CrcEngine, type CrcParameters, headerCrc, payloadCrc } from '../../../src/protocol/crc.js';
import { Random } from '../../fakes/random.js';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, index) => index);

/** Check values of the vendor's implementation. */
const CHECK_VALUES: [name: string, input: Uint8Array, crc16: number, crc32: number][] = [
  ['nothing', hex(''), 0xffff, 0xffffffff],
  ['one zero', hex('00'), 0xaa1e, 0xda3bbd1b],
  ['the digits 1 to 9', hex('313233343536373839'), 0xe541, 0x41b403d3],
  ['four zeros', hex('00000000'), 0xb33d, 0xff70ca75],
  ['AA BB CC DD', hex('aabbccdd'), 0x2a43, 0xb7a90419],
  ['all bytes', ALL_BYTES, 0x0123, 0x7ec834a3],
];

describe("the protocol's CRCs", () => {
  it.each(CHECK_VALUES)('of %s', (_name, input, crc16, crc32) => {
    expect(headerCrc.compute(input)).toBe(crc16);
    expect(payloadCrc.compute(input)).toBe(crc32);
  });
});

/** Standard CRCs of the same form, and what the `crc` package computes them with. */
const STANDARD: [name: string, parameters: CrcParameters, reference: (bytes: Uint8Array) => number][] = [
  ['CRC-8', { width: 8, polynomial: 0x07, initial: 0 }, (bytes) => crc8(Buffer.from(bytes))],
  ['CRC-8/DVB-S2', { width: 8, polynomial: 0xd5, initial: 0 }, (bytes) => crc8dvbs2(Buffer.from(bytes))],
  [
    'CRC-16/XMODEM',
    { width: 16, polynomial: 0x1021, initial: 0 },
    (bytes) => crc16xmodem(Buffer.from(bytes)),
  ],
  [
    'CRC-16/CCITT',
    { width: 16, polynomial: 0x1021, initial: 0xffff },
    (bytes) => crc16ccitt(Buffer.from(bytes)),
  ],
  [
    'CRC-24/OpenPGP',
    { width: 24, polynomial: 0x864cfb, initial: 0xb704ce },
    (bytes) => crc24(Buffer.from(bytes)),
  ],
  [
    'CRC-32/MPEG-2',
    { width: 32, polynomial: 0x04c11db7, initial: 0xffffffff },
    (bytes) => crc32mpeg2(Buffer.from(bytes)),
  ],
];

describe.each(STANDARD)('the engine built as %s', (_name, parameters, reference) => {
  const engine = new CrcEngine(parameters);

  it('agrees with the crc package on inputs of every length up to 100', () => {
    const random = new Random(parameters.polynomial);
    for (let length = 0; length <= 100; length++) {
      for (let round = 0; round < 5; round++) {
        const bytes = random.bytes(length);
        expect(engine.compute(bytes), `${Buffer.from(bytes).toString('hex')}`).toBe(reference(bytes) >>> 0);
      }
    }
  });

  it('gives the same in any split', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.nat(200), { maxLength: 6 }),
        (bytes, cuts) => {
          const stops = [
            ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
            bytes.length,
          ];
          let register = engine.start;
          let from = 0;
          for (const to of stops) {
            register = engine.update(register, bytes, from, to);
            from = to;
          }
          expect(engine.finish(register)).toBe(reference(bytes) >>> 0);
        },
      ),
    );
  });

  it('looks at nothing outside its range', () => {
    const bytes = new Random(7).bytes(150);
    for (const [from, to] of [
      [0, 0],
      [3, 3],
      [1, 18],
      [17, 150],
      [40, 41],
    ] as const) {
      expect(engine.compute(bytes, from, to)).toBe(reference(bytes.slice(from, to)) >>> 0);
    }
  });
});
