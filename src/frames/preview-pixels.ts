/** The pixels of a preview that is no JPEG, as red, green and blue or as grey: one row at a time, from the camera's formats. */
import { inSlices, type Pixels } from '../pixels.js';
import { binaryRow, type Preview, PreviewFormat } from './preview.js';

/** Writes row `y` of a preview to `row`. */
type Unpack = (preview: Preview, y: number, row: Uint8Array) => void;

const UNPACK: Readonly<Record<number, { readonly channels: 1 | 3; readonly unpack: Unpack }>> = {
  [PreviewFormat.BINARY]: { channels: 1, unpack: fromBits },
  [PreviewFormat.GRAYSCALE]: { channels: 1, unpack: fromGrey },
  [PreviewFormat.RGB565]: { channels: 3, unpack: fromRgb565 },
  [PreviewFormat.YUV422]: { channels: 3, unpack: fromYuv(1, 3) },
  [PreviewFormat.YVU422]: { channels: 3, unpack: fromYuv(3, 1) },
  // Where the red pixel is in each square of four.
  [PreviewFormat.BAYER_BGGR]: { channels: 3, unpack: fromBayer(1, 1) },
  [PreviewFormat.BAYER_GBRG]: { channels: 3, unpack: fromBayer(0, 1) },
  [PreviewFormat.BAYER_GRBG]: { channels: 3, unpack: fromBayer(1, 0) },
  [PreviewFormat.BAYER_RGGB]: { channels: 3, unpack: fromBayer(0, 0) },
};

/** The pixels; the event loop has turns in between. undefined: the preview has none, but is a JPEG or PNG. */
export async function previewPixels(preview: Preview): Promise<Pixels | undefined> {
  const { width, height, format } = preview;
  const known = UNPACK[format];
  if (!known) return undefined;
  const bytes = known.channels * width;
  const data = new Uint8Array(bytes * height);
  await inSlices(height, bytes, (from, to) => {
    for (let y = from; y < to; y++) known.unpack(preview, y, data.subarray(y * bytes, (y + 1) * bytes));
  });
  return { data, width, height, channels: known.channels };
}

function fromBits({ data, width }: Preview, y: number, row: Uint8Array): void {
  const start = y * binaryRow(width);
  for (let x = 0; x < width; x++) row[x] = (data[start + (x >> 3)]! >> (x & 7)) & 1 ? 255 : 0;
}

function fromGrey({ data, width }: Preview, y: number, row: Uint8Array): void {
  row.set(data.subarray(y * width, (y + 1) * width));
}

/** Little-endian, as the firmware has it in memory for every sensor; five and six bits become eight by repeating their highest. */
function fromRgb565({ data, width }: Preview, y: number, row: Uint8Array): void {
  for (let at = 2 * y * width, to = 0; to < row.length; at += 2, to += 3) {
    const pixel = data[at]! | (data[at + 1]! << 8);
    const red = pixel >> 11;
    const green = (pixel >> 5) & 63;
    const blue = pixel & 31;
    row[to] = (red << 3) | (red >> 2);
    row[to + 1] = (green << 2) | (green >> 4);
    row[to + 2] = (blue << 3) | (blue >> 2);
  }
}

/** Luma of each pixel, and the colour of each two: BT.601 over the full range, as JPEG's. */
function fromYuv(uAt: number, vAt: number): Unpack {
  return ({ data, width }, y, row) => {
    const start = 2 * y * width;
    const end = start + 2 * width;
    for (let x = 0, to = 0; x < width; x++, to += 3) {
      const luma = data[start + 2 * x]!;
      // A last pixel without its neighbour has one half of its colour: the other is that of the pair before it.
      const pair = start + 4 * (x >> 1);
      const u = (data[pair + uAt < end ? pair + uAt : Math.max(start, pair + uAt - 4)] ?? 128) - 128;
      const v = (data[pair + vAt < end ? pair + vAt : Math.max(start, pair + vAt - 4)] ?? 128) - 128;
      row[to] = byte(luma + 1.402 * v);
      row[to + 1] = byte(luma - 0.344_136 * u - 0.714_136 * v);
      row[to + 2] = byte(luma + 1.772 * u);
    }
  };
}

/**
 * One colour a pixel; the other two are the mean of the nearest pixels that have them. Beyond an edge the pattern goes on as in
 * a mirror, so that each neighbour has the colour that its place asks for.
 */
function fromBayer(redX: number, redY: number): Unpack {
  return ({ data, width, height }, y, row) => {
    const above = mirrored(y - 1, height) * width;
    const here = y * width;
    const below = mirrored(y + 1, height) * width;
    const redRow = (y & 1) === redY;
    for (let x = 0, to = 0; x < width; x++, to += 3) {
      const left = mirrored(x - 1, width);
      const right = mirrored(x + 1, width);
      const own = data[here + x]!;
      const sides = (data[here + left]! + data[here + right]! + 1) >> 1;
      const ends = (data[above + x]! + data[below + x]! + 1) >> 1;
      if (((x & 1) === redX) === redRow) {
        // A red pixel, or a blue one: green is beside it, the other colour at its corners.
        const corners =
          (data[above + left]! + data[above + right]! + data[below + left]! + data[below + right]! + 2) >> 2;
        const green =
          (data[here + left]! + data[here + right]! + data[above + x]! + data[below + x]! + 2) >> 2;
        row[to] = redRow ? own : corners;
        row[to + 1] = green;
        row[to + 2] = redRow ? corners : own;
      } else {
        row[to] = redRow ? sides : ends;
        row[to + 1] = own;
        row[to + 2] = redRow ? ends : sides;
      }
    }
  };
}

function mirrored(at: number, count: number): number {
  if (at < 0) return Math.min(1, count - 1);
  return at < count ? at : Math.max(0, count - 2);
}

function byte(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : Math.round(value);
}
