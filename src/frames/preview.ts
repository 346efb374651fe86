/**
 * A preview as the channel `stream` gives it (vendor: lib/imlib/framebuffer.h): 24 bytes that say what it is, then its data at
 * an offset, because it begins on a cache line of the camera's processor. All numbers are little-endian.
 */

/** Pixel formats (vendor: lib/imlib/imlib.h). The second-lowest byte of the Bayer and YUV formats is their order. */
export const PreviewFormat = {
  BINARY: 0x0801_0000,
  GRAYSCALE: 0x0802_0001,
  RGB565: 0x0c03_0002,
  BAYER_BGGR: 0x0504_0001,
  BAYER_GBRG: 0x0504_0101,
  BAYER_GRBG: 0x0504_0201,
  BAYER_RGGB: 0x0504_0301,
  YUV422: 0x1405_0002,
  YVU422: 0x1405_0102,
  JPEG: 0x0606_0000,
  PNG: 0x0607_0000,
} as const;

/** Bytes of the fields in front; what the camera calls its header is longer, by its alignment. */
export const PREVIEW_FIELDS = 24;
/** No sensor of the vendor's has more. */
const MOST_PIXELS = 64 * 2 ** 20;

export interface Preview {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** One of `PreviewFormat`. */
  readonly format: number;
  /** A JPEG, a PNG, or rows of pixels with nothing between them. */
  readonly data: Buffer;
}

/** Why bytes are not a preview, or the preview. Never throws. */
export function readPreview(bytes: Buffer): Preview | { readonly problem: string } {
  if (bytes.length < PREVIEW_FIELDS) return { problem: `has ${bytes.length} bytes` };
  const width = bytes.readUInt32LE(0);
  const height = bytes.readUInt32LE(4);
  const format = bytes.readUInt32LE(8);
  const offset = bytes.readUInt32LE(16);
  if (width === 0 || height === 0 || width * height > MOST_PIXELS) {
    return { problem: `says ${width} x ${height} pixels` };
  }
  const size = dataBytes(format, width, height, bytes.readUInt32LE(12));
  if (size === undefined) {
    return { problem: `has the pixel format 0x${format.toString(16).padStart(8, '0')}, which is not known` };
  }
  if (size === 0 || offset < PREVIEW_FIELDS || offset + size > bytes.length) {
    return { problem: `says ${size} bytes from byte ${offset} on, and has ${bytes.length}` };
  }
  return { width, height, format, data: bytes.subarray(offset, offset + size) };
}

/** Bytes of an image; `compressed`: what its header says. undefined: the format is not known. */
function dataBytes(format: number, width: number, height: number, compressed: number): number | undefined {
  switch (format) {
    case PreviewFormat.JPEG:
    case PreviewFormat.PNG:
      return compressed;
    case PreviewFormat.BINARY:
      return binaryRow(width) * height;
    case PreviewFormat.GRAYSCALE:
    case PreviewFormat.BAYER_BGGR:
    case PreviewFormat.BAYER_GBRG:
    case PreviewFormat.BAYER_GRBG:
    case PreviewFormat.BAYER_RGGB:
      return width * height;
    case PreviewFormat.RGB565:
    case PreviewFormat.YUV422:
    case PreviewFormat.YVU422:
      return 2 * width * height;
    default:
      return undefined;
  }
}

/** Bytes of a row of one-bit pixels, which begins on a word. */
export const binaryRow = (width: number): number => 4 * Math.ceil(width / 32);
