import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkJpeg } from '../../../src/jpeg.js';
import { fakeJpeg } from '../../fakes/jpeg.js';

const picture = (width: number, height: number): Sharp =>
  sharp({ create: { width, height, channels: 3, background: { r: 200, g: 90, b: 10 } } });

describe('checkJpeg', () => {
  it.each([
    { width: 320, height: 240, options: {} },
    { width: 1, height: 1, options: {} },
    { width: 2_592, height: 1_944, options: { progressive: true } },
    { width: 33, height: 17, options: { chromaSubsampling: '4:4:4' } },
  ])('reads $width x $height from a real encoder', async ({ width, height, options }) => {
    const jpeg = await picture(width, height).jpeg(options).toBuffer();
    expect(checkJpeg(jpeg)).toEqual({ header: { width, height, components: 3 } });
  });

  it('tells greyscale by its one component', async () => {
    const jpeg = await picture(64, 48).toColourspace('b-w').jpeg().toBuffer();
    expect(checkJpeg(jpeg)).toEqual({ header: { width: 64, height: 48, components: 1 } });
  });

  it('passes over fill bytes before a marker', () => {
    const jpeg = fakeJpeg(1, 200);
    const filled = Uint8Array.from([...jpeg.subarray(0, 2), 0xff, 0xff, ...jpeg.subarray(2)]);
    expect(checkJpeg(filled)).toEqual({ header: { width: 32, height: 24, components: 1 } });
  });

  it.each([
    ['nothing', (_: Uint8Array) => new Uint8Array(0), /no JPEG/],
    ['no SOI', (jpeg: Uint8Array) => jpeg.subarray(1), /SOI/],
    ['cut short', (jpeg: Uint8Array) => jpeg.subarray(0, -1), /EOI/],
    ['zero padding behind EOI', (jpeg: Uint8Array) => Uint8Array.from([...jpeg, 0]), /EOI/],
    ['only SOI and EOI', () => Uint8Array.from([0xff, 0xd8, 0xff, 0xd9]), /frame header/],
    [
      'a segment longer than the picture',
      () => Uint8Array.from([0xff, 0xd8, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xd9]),
      /beyond/,
    ],
    [
      'a scan before the frame header',
      () => Uint8Array.from([0xff, 0xd8, 0xff, 0xda, 0, 2, 0xff, 0xd9]),
      /frame header/,
    ],
  ])('refuses %s', (_, damage, problem) => {
    const check = checkJpeg(damage(fakeJpeg(1, 200)));
    expect(check).toEqual({ problem: expect.stringMatching(problem) });
  });

  it('refuses a size of 0', () => {
    expect(checkJpeg(fakeJpeg(1, 200, 0, 24))).toEqual({ problem: expect.stringMatching(/0 x 24/) });
  });

  it('answers any bytes, and never reads beyond them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const framed = Uint8Array.from([0xff, 0xd8, ...bytes, 0xff, 0xd9]);
        const check = checkJpeg(framed);
        expect('header' in check || 'problem' in check).toBe(true);
      }),
    );
  });
});
