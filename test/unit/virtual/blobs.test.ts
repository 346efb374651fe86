/** What `find_blobs` of the virtual camera finds, in pictures of a few pixels. */
import { describe, expect, it } from 'vitest';
import { type BlobOptions, findBlobs, type Picture } from '../../../src/virtual/sensor/blobs.js';

/** A picture of luma, a character a pixel. */
function grey(...rows: string[]): Picture {
  const pixels = Uint8Array.from(rows.join(''), (pixel) => (pixel === '#' ? 200 : 20));
  return { pixels, width: rows[0]!.length, height: rows.length, grey: true };
}

function find(picture: Picture, options: Partial<BlobOptions> = {}, bounds = [[100, 255]]) {
  return findBlobs(picture, bounds, {
    region: { x: 0, y: 0, w: picture.width, h: picture.height },
    ...{ invert: false, strideX: 1, strideY: 1, leastArea: 1, leastPixels: 1, margin: undefined },
    ...options,
  });
}

const PICTURE = grey('##....', '##..#.', '....##', '.#....');

describe('blobs', () => {
  it('are pixels with common edges: their rectangle, number and centre', () => {
    expect(find(PICTURE)).toEqual([
      { x: 0, y: 0, w: 2, h: 2, pixels: 4, sumX: 2, sumY: 2, code: 1 },
      { x: 4, y: 1, w: 2, h: 2, pixels: 3, sumX: 13, sumY: 5, code: 1 },
      { x: 1, y: 3, w: 1, h: 1, pixels: 1, sumX: 1, sumY: 3, code: 1 },
    ]);
  });

  it('that are too small are left out, by area or by pixels', () => {
    expect(find(PICTURE, { leastArea: 4 })).toHaveLength(2);
    expect(find(PICTURE, { leastPixels: 4 })).toHaveLength(1);
  });

  it('are looked for in the region, at the strides, or where the colour is not', () => {
    expect(find(PICTURE, { region: { x: 3, y: 0, w: 3, h: 4 } })).toMatchObject([{ x: 4, y: 1 }]);
    expect(find(PICTURE, { strideY: 3 })).toMatchObject([{ x: 0 }, { x: 1 }]);
    expect(find(PICTURE, { invert: true })).toMatchObject([{ w: 6, h: 4, pixels: 24 - 8 }]);
  });

  it('become one where their rectangles are near each other', () => {
    const row = grey('#.#....#');
    expect(find(row, { margin: 0 })).toHaveLength(3);
    expect(find(row, { margin: 2 })).toMatchObject([{ x: 0, w: 3, pixels: 2 }, { x: 7 }]);
    expect(find(row, { margin: 6 })).toMatchObject([{ x: 0, w: 8, pixels: 3 }]);
  });

  it('are of a colour by L, A and B; several bounds have a bit each', () => {
    const colours = [0xffff, 0xf800, 0x07e0, 0x001f];
    const pixels = Uint8Array.from(colours.flatMap((colour) => [colour & 255, colour >> 8]));
    const picture: Picture = { pixels, width: 4, height: 1, grey: false };
    const white = [95, 100, -3, 3, -3, 3];
    // Red is 53, 80, 67 by CIE; the order of two bounds does not matter.
    const red = [52, 54, 82, 78, 65, 69];
    expect(find(picture, {}, [white, red])).toMatchObject([
      { x: 0, w: 1, code: 1 },
      { x: 1, w: 1, code: 2 },
    ]);
    expect(find(picture, {}, [[0, 100, -128, 127, -128, -90]])).toMatchObject([{ x: 3, w: 1 }]);
  });
});
