/**
 * Reads what must be known of a JPEG without decoding it: that it is one from its first marker to its last, and
 * its size (ITU-T T.81, annex B).
 */

export interface JpegHeader {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** 1: greyscale, 3: colour. */
  readonly components: number;
}

const MARKER = 0xff;
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const TEM = 0x01;
const RST0 = 0xd0;
const RST7 = 0xd7;
/** Start-of-frame markers are C0 to CF, except the tables and the reserved one among them. */
const DHT = 0xc4;
const JPG = 0xc8;
const DAC = 0xcc;

/** Why bytes are not a JPEG, or what its header says. */
export type JpegCheck = { readonly header: JpegHeader } | { readonly problem: string };

/**
 * Checks that `bytes` begin with SOI, end with EOI and have a frame header with a size before their first scan.
 * Reads the header segments only; never throws.
 */
export function checkJpeg(bytes: Uint8Array): JpegCheck {
  const { length } = bytes;
  if (length < 4) return { problem: `${length} bytes are no JPEG` };
  if (bytes[0] !== MARKER || bytes[1] !== SOI) return { problem: 'does not begin with the SOI marker' };
  if (bytes[length - 2] !== MARKER || bytes[length - 1] !== EOI)
    return { problem: 'does not end with the EOI marker' };
  let at = 2;
  while (at + 4 <= length) {
    if (bytes[at] !== MARKER) return { problem: `no marker at byte ${at}` };
    const marker = bytes[at + 1]!;
    if (marker === MARKER) {
      at++; // fill byte
      continue;
    }
    if (marker === TEM || (marker >= RST0 && marker <= RST7)) {
      at += 2;
      continue;
    }
    if (marker === SOS || marker === EOI || marker === SOI) return { problem: 'has no frame header' };
    const size = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (size < 2 || at + 2 + size > length)
      return { problem: `segment at byte ${at} reaches beyond the end` };
    if (isStartOfFrame(marker)) return frameHeader(bytes, at, size);
    at += 2 + size;
  }
  return { problem: 'has no frame header' };
}

function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== DHT && marker !== JPG && marker !== DAC;
}

function frameHeader(bytes: Uint8Array, at: number, size: number): JpegCheck {
  if (size < 8) return { problem: 'frame header too short' };
  const height = (bytes[at + 5]! << 8) | bytes[at + 6]!;
  const width = (bytes[at + 7]! << 8) | bytes[at + 8]!;
  if (width === 0 || height === 0) return { problem: `frame header says ${width} x ${height} pixels` };
  return { header: { width, height, components: bytes[at + 9]! } };
}
