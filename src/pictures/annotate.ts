/** Draws what an algorithm found onto the image it looked at. */
import { BridgeError } from '../errors.js';
import { imageTurn } from '../pixels.js';
import type { Rect } from '../runner/index.js';

/** What is drawn: the verdict as a band at the top, and the rectangles with their labels. */
export interface Annotation {
  /** `failed`: there is no verdict about this image. */
  readonly outcome: 'ok' | 'ng' | 'failed';
  /** Why it is NG, or why there is no verdict. */
  readonly text?: string | undefined;
  /** Pixels of the image, from its upper left corner. */
  readonly defectRects?: readonly Rect[];
  readonly positionRects?: readonly Rect[];
  readonly calibrationRects?: readonly Rect[];
}

const COLOURS = {
  ok: '#1a9850',
  ng: '#d73027',
  failed: '#6a51a3',
  defect: '#ff3b30',
  position: '#34c759',
  calibration: '#0a84ff',
} as const;
const VERDICTS = { ok: 'OK', ng: 'NG', failed: 'NO VERDICT' } as const;
const QUALITY = 90;
/** Rectangles drawn; an algorithm that reports more has told enough. */
const MAX_DRAWN = 500;
const MAX_TEXT = 200;
/** Width of a character of the font as a share of its height, for cutting texts that do not fit. */
const CHARACTER_WIDTH = 0.62;

function escapeXml(text: string): string {
  // XML has no place for control characters and lone surrogates, escaped or not.
  const plain = text.replace(/\p{C}/gu, ' ');
  return plain.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function shorten(text: string, width: number, size: number): string {
  const most = Math.max(1, Math.floor(width / (size * CHARACTER_WIDTH)));
  return text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}…`;
}

function drawRect(
  rect: Rect,
  colour: string,
  size: number,
  image: { width: number; height: number },
): string {
  const stroke = Math.max(2, size / 6);
  const { x, y, width, height } = rect;
  const box = `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="${colour}" stroke-width="${stroke}"/>`;
  const score = rect.score === undefined ? '' : rect.score.toFixed(2);
  const words = [rect.label ?? '', score].filter((word) => word !== '').join(' ');
  if (words === '') return box;
  // Above the rectangle, or inside it when there is no room above.
  const left = Math.min(Math.max(0, x), image.width - 1);
  const above = y - size * 0.3 > size;
  const baseline = Math.min(image.height - 2, above ? y - size * 0.3 : y + size);
  const shown = shorten(words, image.width - left, size);
  return `${box}<text x="${left + 1}" y="${baseline}" class="label" fill="${colour}">${escapeXml(shown)}</text>`;
}

/** The drawing alone, as SVG of the image's size. */
export function annotationSvg(annotation: Annotation, width: number, height: number): string {
  const size = Math.max(9, Math.round(Math.min(width, height) / 20));
  const band = Math.round(size * 1.6);
  const shapes = (
    [
      ['calibration', annotation.calibrationRects],
      ['position', annotation.positionRects],
      ['defect', annotation.defectRects],
    ] as const
  ).flatMap(([kind, rects]) =>
    (rects ?? []).slice(0, MAX_DRAWN).map((rect) => drawRect(rect, COLOURS[kind], size, { width, height })),
  );
  const { outcome, text } = annotation;
  const words = shorten(
    text === undefined ? VERDICTS[outcome] : `${VERDICTS[outcome]}: ${text.slice(0, MAX_TEXT)}`,
    width - size,
    size,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">`,
    `<style>text{font-family:sans-serif;font-size:${size}px}.label{paint-order:stroke;stroke:#000;stroke-width:${size / 5}px}</style>`,
    `<rect width="${width}" height="${band}" fill="${COLOURS[outcome]}" fill-opacity="0.85"/>`,
    `<text x="${size / 2}" y="${size * 1.15}" fill="#fff" font-weight="bold">${escapeXml(words)}</text>`,
    // Over the band: what was found at the top of the image is to be seen.
    ...shapes,
    '</svg>',
  ].join('');
}

/**
 * The image as a JPEG of the same size with the verdict, the rectangles and their labels drawn. FRAME_CORRUPT when
 * the image cannot be decoded. Runs off the event loop.
 */
export async function annotatePicture(jpeg: Uint8Array, annotation: Annotation): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  try {
    const image = sharp(jpeg);
    const { width, height } = await image.metadata();
    const svg = Buffer.from(annotationSvg(annotation, width, height));
    image
      // A greyscale image has to have colours before anything is drawn in colour.
      .toColourspace('srgb')
      .composite([{ input: svg, left: 0, top: 0 }])
      // Thin coloured lines stay sharp. Tables of its own would make a file 5 % smaller and take a quarter longer.
      .jpeg({ quality: QUALITY, chromaSubsampling: '4:4:4', optimiseCoding: false });
    return await imageTurn(() => image.toBuffer());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BridgeError('FRAME_CORRUPT', `An image cannot be decoded to draw on it: ${reason}.`, {
      cause,
    });
  }
}
