/** Draws a frame with its verdict, and looks at its pixels. */
import type { Judged, Outcome, Rect } from './api.js';

/** Blue and vermillion can be told apart by everyone; words and line styles say the same. */
export const COLOURS = {
  ok: '#56b4e9',
  ng: '#ff7a1a',
  failed: '#cc79a7',
  position: '#56b4e9',
  calibration: '#e8e8e8',
};

export const WORDS: Readonly<Record<Outcome, string>> = {
  ok: '✓ OK',
  ng: '✗ NG',
  failed: '! no verdict',
  skipped: '– not called',
};

type Context = CanvasRenderingContext2D;

/** The rectangles and labels of a result, in the frame's pixels. */
export function drawResult(context: Context, result: Judged): void {
  const unit = Math.max(1, context.canvas.width / 320);
  const draw = (rects: readonly Rect[], colour: string, dash: readonly number[]): void => {
    for (const rect of rects)
      drawRect(
        context,
        rect,
        colour,
        dash.map((length) => length * unit),
        unit,
      );
  };
  draw(result.calibrationRects, COLOURS.calibration, [1, 2]);
  draw(result.positionRects, COLOURS.position, [4, 2]);
  draw(result.defectRects, COLOURS.ng, []);
}

function drawRect(context: Context, rect: Rect, colour: string, dash: readonly number[], unit: number): void {
  context.setLineDash([...dash]);
  // Dark below light: seen on every ground.
  context.lineWidth = 3 * unit;
  context.strokeStyle = '#0008';
  context.strokeRect(rect.x, rect.y, rect.width, rect.height);
  context.lineWidth = 1.5 * unit;
  context.strokeStyle = colour;
  context.strokeRect(rect.x, rect.y, rect.width, rect.height);
  context.setLineDash([]);
  const score = rect.score === undefined ? '' : rect.score.toFixed(2);
  const text = [rect.label, score].filter(Boolean).join(' ');
  if (text === '') return;
  const size = 10 * unit;
  context.font = `${size}px system-ui, sans-serif`;
  const width = context.measureText(text).width + 4 * unit;
  const x = Math.max(0, Math.min(rect.x, context.canvas.width - width));
  const y = rect.y >= size + 2 * unit ? rect.y - size - 2 * unit : rect.y + rect.height;
  context.fillStyle = colour;
  context.fillRect(x, y, width, size + 2 * unit);
  context.fillStyle = '#000';
  context.textBaseline = 'top';
  context.fillText(text, x + 2 * unit, y + unit);
}

export interface Lens {
  /** 64 bins of luma, each from 0 to 1 of the largest. */
  readonly histogram: readonly number[];
  /** Edge energy: the mean square of the luma's gradient. It is largest where the lens is in focus. */
  readonly focus: number;
  /** Shares of pixels at the ends of the range. */
  readonly dark: number;
  readonly bright: number;
}

/** Of larger frames the middle is looked at, in full resolution: what scaling would do to focus is not wanted. */
const MOST_WIDTH = 640;
const MOST_HEIGHT = 480;
const BINS = 64;

const scratch = document.createElement('canvas');
const pixels = scratch.getContext('2d', { willReadFrequently: true })!;

/** The RGB value of one pixel. */
export function pixelAt(bitmap: ImageBitmap, x: number, y: number): readonly [number, number, number] {
  scratch.width = 1;
  scratch.height = 1;
  pixels.drawImage(bitmap, -x, -y);
  const [red, green, blue] = pixels.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}

/** What helps to set up a lens and the light. */
export function lensOf(bitmap: ImageBitmap): Lens {
  const width = Math.min(MOST_WIDTH, bitmap.width);
  const height = Math.min(MOST_HEIGHT, bitmap.height);
  scratch.width = width;
  scratch.height = height;
  pixels.drawImage(
    bitmap,
    -Math.floor((bitmap.width - width) / 2),
    -Math.floor((bitmap.height - height) / 2),
  );
  const { data } = pixels.getImageData(0, 0, width, height);
  const luma = new Uint8Array(width * height);
  const counts = new Uint32Array(256);
  for (let i = 0, at = 0; i < luma.length; i++, at += 4) {
    // BT.601, as JPEG's own luma.
    const value = (77 * data[at]! + 150 * data[at + 1]! + 29 * data[at + 2]!) >> 8;
    luma[i] = value;
    counts[value]!++;
  }
  let energy = 0;
  for (let y = 0; y < height - 1; y++) {
    for (let x = 0; x < width - 1; x++) {
      const here = y * width + x;
      const across = luma[here + 1]! - luma[here]!;
      const down = luma[here + width]! - luma[here]!;
      energy += across * across + down * down;
    }
  }
  const bins = Array.from({ length: BINS }, (_, bin) => {
    let sum = 0;
    for (let value = bin * 4; value < bin * 4 + 4; value++) sum += counts[value]!;
    return sum;
  });
  const most = Math.max(1, ...bins);
  return {
    histogram: bins.map((bin) => bin / most),
    focus: energy / Math.max(1, (width - 1) * (height - 1)),
    dark: (counts[0]! + counts[1]!) / luma.length,
    bright: (counts[254]! + counts[255]!) / luma.length,
  };
}
