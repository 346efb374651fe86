/** A result as annotations on its frame: the verdict, and each rectangle with its label. */
import type { FrameResult } from '../bridge/index.js';
import type { Frame } from '../frames/index.js';
import { annotationOf } from '../pictures/index.js';
import type { Rect } from '../runner/index.js';

type Color = { readonly r: number; readonly g: number; readonly b: number; readonly a: number };
const color = (r: number, g: number, b: number, a = 1): Color => ({ r, g, b, a });

const NONE = color(0, 0, 0, 0);
const BEHIND_TEXT = color(0, 0, 0, 0.6);
/** Those of annotated files: see `src/pictures`. */
const VERDICTS = { ok: color(0.1, 0.6, 0.31), ng: color(0.84, 0.19, 0.15), failed: color(0.42, 0.32, 0.64) };
const KINDS = {
  defectRects: color(1, 0.23, 0.19),
  positionRects: color(0.2, 0.78, 0.35),
  calibrationRects: color(0.04, 0.52, 1),
} as const;
const WORDS = { ok: 'OK', ng: 'NG', failed: 'NO VERDICT' } as const;
const LINE_LOOP = 2;
/** Rectangles drawn; an algorithm that reports more has told enough. */
const MAX_DRAWN = 500;
const MAX_TEXT = 200;
/** Heights of a text, as parts of the frame's. */
const TEXT_PART = 1 / 24;
const SMALLEST_TEXT = 8;

/** A foxglove.ImageAnnotations. `ns`: the time of the frame, by which viewers match the two. */
export function annotations({ height }: Frame, result: FrameResult, ns: bigint): object {
  const timestamp = { sec: Number(ns / 1_000_000_000n), nsec: Number(ns % 1_000_000_000n) };
  const annotation = annotationOf(result);
  const { outcome, text = '' } = annotation;
  const size = Math.max(SMALLEST_TEXT, Math.round(height * TEXT_PART));
  const label = (x: number, y: number, words: string, text_color: Color) => ({
    ...{ timestamp, position: { x, y }, text: words.slice(0, MAX_TEXT), font_size: size, text_color },
    background_color: BEHIND_TEXT,
  });
  const rects = (Object.keys(KINDS) as (keyof typeof KINDS)[])
    .flatMap((kind) => (annotation[kind] ?? []).map((rect) => ({ rect, outline: KINDS[kind] })))
    .slice(0, MAX_DRAWN);
  return {
    circles: [],
    points: rects.map(({ rect, outline }) => ({
      timestamp,
      type: LINE_LOOP,
      points: corners(rect),
      outline_color: outline,
      outline_colors: [],
      fill_color: NONE,
      thickness: Math.max(1, Math.round(size / 6)),
    })),
    texts: [
      label(0, size, [WORDS[outcome], text].filter(Boolean).join(': '), VERDICTS[outcome]),
      ...rects.flatMap(({ rect, outline }) => {
        const words = [rect.label ?? '', rect.score?.toFixed(2) ?? ''].filter(Boolean).join(' ');
        return words === '' ? [] : [label(rect.x, rect.y, words, outline)];
      }),
    ],
  };
}

const corners = ({ x, y, width, height }: Rect) => [
  { x, y },
  { x: x + width, y },
  { x: x + width, y: y + height },
  { x, y: y + height },
];
