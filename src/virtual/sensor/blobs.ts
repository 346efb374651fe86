/** Regions of pixels whose colour is within bounds, as the firmware's `find_blobs` finds them (vendor: lib/imlib/blob.c). */

export interface Picture {
  /** RGB565, little-endian, or a byte of luma each. */
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly grey: boolean;
}

export interface Region {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface Blob extends Region {
  readonly pixels: number;
  /** Sums of the pixels' places: their means are the centre. */
  readonly sumX: number;
  readonly sumY: number;
  /** A bit for each of the bounds that it was found by. */
  readonly code: number;
}

/** Least and most of L, A and B, or of luma alone. */
export type Bounds = readonly number[];

export interface BlobOptions {
  readonly region: Region;
  readonly invert: boolean;
  /** Pixels from one to the next at which a blob may be met first. */
  readonly strideX: number;
  readonly strideY: number;
  readonly leastArea: number;
  readonly leastPixels: number;
  /** Blobs whose rectangles are no further apart than that become one; undefined: none do. */
  readonly margin: number | undefined;
}

export function findBlobs(picture: Picture, bounds: readonly Bounds[], options: BlobOptions): Blob[] {
  const found = bounds.flatMap((one, index) =>
    regions(maskOf(picture, one, options), 1 << index, options).filter(
      ({ w, h, pixels }) => w * h >= options.leastArea && pixels >= options.leastPixels,
    ),
  );
  return options.margin === undefined ? found : merged(found, options.margin);
}

/** 1 for each pixel of the region whose colour is within the bounds. */
function maskOf(
  { pixels, width, grey }: Picture,
  bounds: Bounds,
  { region, invert }: BlobOptions,
): Uint8Array {
  const mask = new Uint8Array(region.w * region.h);
  const table = grey ? undefined : labTable();
  const inside = (value: number, at: number): boolean =>
    value >= Math.min(bounds[at]!, bounds[at + 1]!) && value <= Math.max(bounds[at]!, bounds[at + 1]!);
  for (let y = 0, to = 0; y < region.h; y++) {
    for (let x = 0; x < region.w; x++, to++) {
      const at = (region.y + y) * width + region.x + x;
      let within: boolean;
      if (table) {
        const colour = 3 * (pixels[2 * at]! | (pixels[2 * at + 1]! << 8));
        within = inside(table[colour]!, 0) && inside(table[colour + 1]!, 2) && inside(table[colour + 2]!, 4);
      } else within = inside(pixels[at]!, 0);
      if (within !== invert) mask[to] = 1;
    }
  }
  return mask;
}

/** Takes the blobs out of a mask: pixels that have an edge in common belong together. */
function regions(mask: Uint8Array, code: number, { region, strideX, strideY }: BlobOptions): Blob[] {
  const blobs: Blob[] = [];
  for (let y = 0; y < region.h; y += strideY) {
    for (let x = 0; x < region.w; x += strideX) {
      const at = y * region.w + x;
      if (mask[at] === 1) blobs.push(take(mask, at, code, region));
    }
  }
  return blobs;
}

function take(mask: Uint8Array, start: number, code: number, { x: left, y: top, w }: Region): Blob {
  const stack = [start];
  mask[start] = 0;
  let [pixels, sumX, sumY, minX, maxX, minY, maxY] = [0, 0, 0, Infinity, 0, Infinity, 0];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const x = at % w;
    const y = Math.floor(at / w);
    pixels++;
    sumX += left + x;
    sumY += top + y;
    minX = Math.min(minX, x);
    maxX = Math.max(maxX, x);
    minY = Math.min(minY, y);
    maxY = Math.max(maxY, y);
    for (const next of [x > 0 ? at - 1 : -1, x + 1 < w ? at + 1 : -1, at - w, at + w]) {
      if (next < 0 || mask[next] !== 1) continue;
      mask[next] = 0;
      stack.push(next);
    }
  }
  return {
    ...{ x: left + minX, y: top + minY, w: maxX - minX + 1, h: maxY - minY + 1 },
    ...{ pixels, sumX, sumY, code },
  };
}

function merged(blobs: Blob[], margin: number): Blob[] {
  for (let at = 0; at < blobs.length; at++) {
    for (let other = at + 1; other < blobs.length; other++) {
      if (!near(blobs[at]!, blobs[other]!, margin)) continue;
      blobs[at] = both(blobs[at]!, blobs[other]!);
      blobs.splice(other, 1);
      // It is larger now: all may be near it.
      other = at;
    }
  }
  return blobs;
}

const near = (a: Region, b: Region, margin: number): boolean =>
  a.x < b.x + b.w + margin &&
  b.x < a.x + a.w + margin &&
  a.y < b.y + b.h + margin &&
  b.y < a.y + a.h + margin;

function both(a: Blob, b: Blob): Blob {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return {
    ...{ x, y, w: Math.max(a.x + a.w, b.x + b.w) - x, h: Math.max(a.y + a.h, b.y + b.h) - y },
    ...{ pixels: a.pixels + b.pixels, sumX: a.sumX + b.sumX, sumY: a.sumY + b.sumY, code: a.code | b.code },
  };
}

let table: Int8Array | undefined;

/** L, A and B of each RGB565 colour, D65. */
function labTable(): Int8Array {
  if (table) return table;
  table = new Int8Array(3 * 0x1_0000);
  const linear = (value: number): number =>
    value > 0.04045 ? ((value + 0.055) / 1.055) ** 2.4 : value / 12.92;
  const bent = (value: number): number => (value > 0.008856 ? Math.cbrt(value) : 7.787037 * value + 16 / 116);
  for (let colour = 0; colour < 0x1_0000; colour++) {
    const red = linear((colour >>> 11) / 31);
    const green = linear(((colour >>> 5) & 63) / 63);
    const blue = linear((colour & 31) / 31);
    const x = bent((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
    const y = bent(0.2126 * red + 0.7152 * green + 0.0722 * blue);
    const z = bent((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
    table.set([116 * y - 16, 500 * (x - y), 200 * (y - z)].map(Math.round), 3 * colour);
  }
  return table;
}
