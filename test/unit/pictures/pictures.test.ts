import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { annotatePicture, annotationSvg } from '../../../src/pictures/annotate.js';
import { AnnotatedFiles, annotationOfLine, resultLineSchema } from '../../../src/pictures/annotated-files.js';
import { expandPicturePaths, readPicture } from '../../../src/pictures/picture-file.js';

let dir: string;
let jpeg: Buffer;

const grey = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#808080' } });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'openmv-pictures-'));
  jpeg = await grey(160, 120).jpeg().toBuffer();
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});

async function pixel(bytes: Buffer, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  const at = (y * info.width + x) * info.channels;
  return [...data.subarray(at, at + info.channels)];
}

describe('annotatePicture', () => {
  it('draws the verdict and each kind of rectangle in its colour', async () => {
    const drawn = await annotatePicture(jpeg, {
      outcome: 'ng',
      text: 'scratch',
      defectRects: [{ x: 20, y: 40, width: 30, height: 30, label: 'scratch', score: 0.9 }],
      positionRects: [{ x: 70, y: 40, width: 30, height: 30 }],
      calibrationRects: [{ x: 120, y: 40, width: 30, height: 30 }],
    });
    expect(await sharp(drawn).metadata()).toMatchObject({ format: 'jpeg', width: 160, height: 120 });
    const near = async (x: number, y: number, colour: number[]) => {
      const seen = await pixel(drawn, x, y);
      for (const [index, value] of colour.entries()) {
        expect(Math.abs(seen[index]! - value), `${x},${y}: ${seen}`).toBeLessThan(45);
      }
    };
    await near(20, 60, [255, 59, 48]);
    await near(70, 60, [52, 199, 89]);
    await near(120, 60, [10, 132, 255]);
    await near(155, 5, [215, 48, 39]);
    await near(35, 100, [128, 128, 128]);
  });

  it('draws in colour on greyscale pictures', async () => {
    const plain = await grey(64, 64).greyscale().toColourspace('b-w').jpeg().toBuffer();
    const drawn = await annotatePicture(plain, { outcome: 'ok' });
    const [red, green, blue] = await pixel(drawn, 62, 3);
    expect(green).toBeGreaterThan(red! + 40);
    expect(blue).toBeDefined();
  });

  it.each(['ok', 'ng', 'failed'] as const)(
    'takes pictures of one pixel and of odd shapes (%s)',
    async (outcome) => {
      for (const [width, height] of [
        [1, 1],
        [3, 200],
        [400, 2],
      ] as const) {
        const bytes = await grey(width, height).jpeg().toBuffer();
        const rect = { x: -5, y: -5, width: 1_000, height: 1_000, label: 'x'.repeat(500), score: 1 };
        const drawn = await annotatePicture(bytes, { outcome, text: 'why', defectRects: [rect] });
        expect(await sharp(drawn).metadata()).toMatchObject({ width, height });
      }
    },
  );

  it('takes any text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string(), async (text, label) => {
        const svg = annotationSvg(
          { outcome: 'ng', text, defectRects: [{ x: 1, y: 1, width: 5, height: 5, label }] },
          64,
          48,
        );
        expect(await sharp(Buffer.from(svg)).metadata()).toMatchObject({ width: 64, height: 48 });
      }),
      { numRuns: 60 },
    );
    const svg = annotationSvg({ outcome: 'ng', text: '<b>&"\u0000\ud800' }, 640, 480);
    expect(svg).toContain('NG: &#60;b&#62;&#38;&#34;  ');
  });

  it('refuses what is no picture', async () => {
    await expect(annotatePicture(Buffer.from('no picture'), { outcome: 'ok' })).rejects.toMatchObject({
      code: 'FRAME_CORRUPT',
    });
  });
});

describe('AnnotatedFiles', () => {
  it('writes whole files only, and names the place when it cannot', async () => {
    const place = join(dir, 'a', 'b');
    const files = await AnnotatedFiles.open(place);
    const camera = await files.of('cam');
    const path = (sequence: number): string => join(place, `cam-0000000${sequence}.jpg`);
    expect(await camera.save({ cameraId: 'cam', sequence: 1 }, jpeg)).toBe(path(1));
    expect(await readdir(place)).toEqual(['cam-00000001.jpg']);
    await rm(place, { recursive: true });
    await expect(camera.save({ cameraId: 'cam', sequence: 2 }, jpeg)).rejects.toMatchObject({
      code: 'FILE_FAILED',
      context: { path: path(2) },
    });
    await writeFile(join(dir, 'file'), '');
    await expect(AnnotatedFiles.open(join(dir, 'file'))).rejects.toMatchObject({ code: 'FILE_FAILED' });
  });

  it('has images of earlier runs make way, camera by camera, and none that it is to draw on', async () => {
    const place = join(dir, 'again');
    for (const run of [1, 2]) {
      const files = await AnnotatedFiles.open(place);
      for (const cameraId of ['a', 'b'])
        await (await files.of(cameraId)).save({ cameraId, sequence: 1 }, jpeg);
      expect(files.earlier).toHaveLength(run === 1 ? 0 : 2);
      for (const folder of files.earlier) expect(await readdir(folder)).toHaveLength(1);
    }
    const files = await AnnotatedFiles.open(place);
    await files.checkApart(join(dir, 'a-00000001.jpg'));
    await symlink(place, join(dir, 'link'));
    for (const folder of [place, join(dir, 'link')]) {
      await expect(files.checkApart(join(folder, 'a-00000001.jpg'))).rejects.toMatchObject({
        code: 'OPTION_INVALID',
      });
    }
  });
});

describe('annotationOfLine', () => {
  const line = (more: object) =>
    annotationOfLine(resultLineSchema.parse({ type: 'result', cameraId: 'c', sequence: 1, ...more }));

  it('reads a verdict, leaving out rectangles that are none', () => {
    const rect = { x: 1, y: 2, width: 3, height: 4 };
    const data = { ng_reason: 'scratch', defect_rects: [rect, null, { x: 'a' }], position_rects: 'none' };
    expect(line({ resultStatus: 'NG', data })).toEqual({
      outcome: 'ng',
      text: 'scratch',
      defectRects: [rect],
      positionRects: [],
      calibrationRects: [],
    });
    expect(line({ resultStatus: 'OK' })).toMatchObject({ outcome: 'ok', text: undefined });
  });

  it('never makes a verdict of a failed call', () => {
    const failed = { resultStatus: null, data: { result_status: 'OK' }, error: { message: 'too slow' } };
    expect(line(failed)).toEqual({ outcome: 'failed', text: 'too slow' });
  });
});

describe('picture files', () => {
  it('a JPEG stays what it is, other formats become one of the same size', async () => {
    const path = join(dir, 'p.jpg');
    await writeFile(path, jpeg);
    const read = await readPicture(path);
    expect(Buffer.compare(Buffer.from(read.jpeg), jpeg)).toBe(0);
    expect(read).toMatchObject({ width: 160, height: 120 });
    const png = join(dir, 'p.png');
    await grey(50, 40).png().toFile(png);
    const converted = await readPicture(png);
    expect(converted).toMatchObject({ width: 50, height: 40 });
    expect(await sharp(Buffer.from(converted.jpeg)).metadata()).toMatchObject({ format: 'jpeg' });
  });

  it.each([
    ['nothing', undefined, /no such file/],
    ['half of a JPEG', () => jpeg.subarray(0, 300), /EOI/],
    ['something else', () => Buffer.from('text'), /no image/],
    ['an empty file', () => Buffer.alloc(0), /no image/],
  ])('%s is refused', async (name, bytes, message) => {
    const path = join(dir, name);
    if (bytes !== undefined) await writeFile(path, bytes());
    await expect(readPicture(path)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('a directory stands for the pictures in it, by name', async () => {
    const place = join(dir, 'several');
    await mkdir(place);
    for (const name of ['b.JPG', 'a.png', 'notes.txt', '.hidden.jpg']) await writeFile(join(place, name), '');
    expect(await expandPicturePaths(['x.jpg', place])).toEqual([
      'x.jpg',
      join(place, 'a.png'),
      join(place, 'b.JPG'),
    ]);
    const empty = join(dir, 'empty');
    await mkdir(empty);
    await expect(expandPicturePaths([empty])).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});
