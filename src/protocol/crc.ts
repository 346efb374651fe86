/**
 * The CRC engine: any CRC of up to 32 bits that runs most significant bit first, without reflection and without
 * a final xor, as both of the OpenMV Protocol's do. Sixteen bytes a step ("slicing by 16"): sixteen tables give
 * the remainder that each byte of a block leaves behind at its place, and the remainders are xored together.
 *
 * Every CRC is kept left-aligned in 32 bits, so that one loop serves CRC-16 and CRC-32 alike.
 */

const SLICES = 16;

export interface CrcParameters {
  /** Bits of the CRC: 8, 16, 24 or 32. */
  readonly width: number;
  /** The polynomial without its highest term. */
  readonly polynomial: number;
  readonly initial: number;
}

export class CrcEngine {
  /** The register before any byte, in the engine's own (left-aligned, signed) form. */
  readonly start: number;
  readonly #shift: number;
  readonly #tables: Int32Array;

  constructor(parameters: CrcParameters) {
    this.#shift = 32 - parameters.width;
    this.start = (parameters.initial << this.#shift) | 0;
    this.#tables = makeTables(parameters.polynomial << this.#shift);
  }

  /** CRC of `bytes` from `from` up to, not including, `to`. */
  compute(bytes: Uint8Array, from = 0, to = bytes.length): number {
    return this.finish(this.update(this.start, bytes, from, to));
  }

  /** The register after more bytes; begin with `start`, end with `finish`. */
  update(register: number, bytes: Uint8Array, from: number, to: number): number {
    const t = this.#tables;
    let crc = register;
    let i = from;
    for (const last = to - SLICES; i <= last; i += SLICES) {
      crc =
        t[3840 + (bytes[i]! ^ (crc >>> 24))]! ^
        t[3584 + (bytes[i + 1]! ^ ((crc >>> 16) & 0xff))]! ^
        t[3328 + (bytes[i + 2]! ^ ((crc >>> 8) & 0xff))]! ^
        t[3072 + (bytes[i + 3]! ^ (crc & 0xff))]! ^
        t[2816 + bytes[i + 4]!]! ^
        t[2560 + bytes[i + 5]!]! ^
        t[2304 + bytes[i + 6]!]! ^
        t[2048 + bytes[i + 7]!]! ^
        t[1792 + bytes[i + 8]!]! ^
        t[1536 + bytes[i + 9]!]! ^
        t[1280 + bytes[i + 10]!]! ^
        t[1024 + bytes[i + 11]!]! ^
        t[768 + bytes[i + 12]!]! ^
        t[512 + bytes[i + 13]!]! ^
        t[256 + bytes[i + 14]!]! ^
        t[bytes[i + 15]!]!;
    }
    for (; i < to; i++) crc = (crc << 8) ^ t[bytes[i]! ^ (crc >>> 24)]!;
    return crc;
  }

  /** The CRC that a register stands for. */
  finish(register: number): number {
    return register >>> this.#shift;
  }
}

/** Table k holds, for each byte, the remainder it leaves when k more bytes follow it. */
function makeTables(polynomial: number): Int32Array {
  const tables = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte << 24;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder << 1) ^ (remainder < 0 ? polynomial : 0);
    tables[byte] = remainder;
  }
  for (let i = 256; i < tables.length; i++) {
    const shorter = tables[i - 256]!;
    tables[i] = (shorter << 8) ^ tables[shorter >>> 24]!;
  }
  return tables;
}

/** CRC-16 over the first 8 bytes of a header (vendor: common/omv_crc). */
export const headerCrc = new CrcEngine({ width: 16, polynomial: 0xf94f, initial: 0xffff });

/** CRC-32 over a payload (vendor: common/omv_crc). */
export const payloadCrc = new CrcEngine({ width: 32, polynomial: 0xfa567d89, initial: 0xffffffff });
