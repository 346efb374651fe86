/** What the virtual sensor does to each pixel beyond its colours: gamma, negative, sharpness. */
import sharp, { type Sharp } from 'sharp';
import type { Tone } from './picture-spec.js';

/** Blur of one level below 0, in pixels. */
const BLUR_LEVEL = 0.8;

/** Draws the picture so far, three bytes a pixel, and gives it back with its tone changed. */
export async function applyTone(image: Sharp, tone: Tone): Promise<Sharp> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  const curve = toneCurve(tone);
  for (let at = 0; at < data.length; at++) data[at] = curve[data[at]!]!;
  const { width, height } = info;
  const made = sharp(data, { raw: { width, height, channels: 3 } });
  if (tone.sharpness > 0) return made.sharpen({ sigma: 1, m1: tone.sharpness, m2: 3 * tone.sharpness });
  return tone.sharpness < 0 ? made.blur(-tone.sharpness * BLUR_LEVEL) : made;
}

/** New value of each of the 256 old ones. */
function toneCurve({ gamma, negative }: Tone): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => {
    const lifted = Math.round(255 * (value / 255) ** (1 / gamma));
    return negative ? 255 - lifted : lifted;
  });
}
