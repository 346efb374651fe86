#!/usr/bin/env node
/**
 * An example of `openmv-bridge/algorithm`: compares each frame with a reference picture, block by block, and marks where
 * they differ.
 *
 *     openmv-bridge --port virtual --reference good.jpg -- node compare_algorithm.mjs
 *     openmv-bridge --port virtual --reference previous-ok -- node compare_algorithm.mjs
 *
 * User parameters: "threshold", how much the mean brightness of a block may differ (of 255; default 40); "block", its
 * edge in pixels (16).
 */
import { AlgorithmError, defineAlgorithm } from 'openmv-bridge/algorithm';

/** The protocol's limit. */
const MAX_RECTS = 20;

/** The mean brightness of each block of a grey picture, row by row. */
function blockMeans({ data, width, height }, block) {
  const means = [];
  for (let top = 0; top + block <= height; top += block) {
    for (let left = 0; left + block <= width; left += block) {
      let sum = 0;
      for (let y = top; y < top + block; y++) {
        for (let x = left; x < left + block; x++) sum += data[y * width + x];
      }
      means.push({ x: left, y: top, mean: sum / (block * block) });
    }
  }
  return means;
}

await defineAlgorithm({
  version: 'compare 1.0',

  async execute({ image, reference, userParams }) {
    const { threshold = 40, block = 16 } = userParams;
    if (reference.width !== image.width || reference.height !== image.height) {
      const sizes = `${reference.width}x${reference.height} and ${image.width}x${image.height}`;
      throw new AlgorithmError(1006, `the reference picture and the frame differ in size: ${sizes}`);
    }
    const expected = blockMeans(await reference.pixels('grey'), block);
    const found = blockMeans(await image.pixels('grey'), block);
    const different = found
      .map(({ x, y, mean }, index) => ({ x, y, difference: Math.abs(mean - expected[index].mean) }))
      .filter(({ difference }) => difference > threshold)
      .sort((a, b) => b.difference - a.difference);
    const debug = { blocks: found.length, different: different.length };
    if (different.length === 0) return { resultStatus: 'OK', debug };
    return {
      resultStatus: 'NG',
      ngReason: `${different.length} of ${found.length} blocks differ from the reference`,
      defectRects: different.slice(0, MAX_RECTS).map(({ x, y, difference }) => ({
        x,
        y,
        width: block,
        height: block,
        label: 'differs',
        score: Math.min(1, difference / 255),
      })),
      debug,
    };
  },
});
