/**
 * One to eight cameras of 30 frames a second in one process, with shared memory: its processor time, how late its event loop
 * is, and how long a frame takes from its capture to subscribers. The cameras are in C, in processes of their own.
 */
import { noCompiler, workshop } from './native.mjs';
import { either, row, skipped } from './report.mjs';

const FPS = 30;
const COUNTS = [1, 2, 4, 8];

export default async function cameras() {
  if (noCompiler) return skipped('several cameras', noCompiler);
  const shop = workshop();
  try {
    for (const count of either(COUNTS, [2])) {
      const all = await Promise.all(Array.from({ length: count }, () => shop.cameraInC({ fps: FPS })));
      const measured = await shop.bridges(
        all.map(({ port }) => ({ port })),
        { warmUpMs: either(2_000, 500), durationMs: either(6_000, 1_000) },
      );
      await Promise.all(all.map((camera) => camera.stop()));
      const { framesPerSecond, cpuShare, eventLoopDelayMs, captureToPublishedMs } = measured;
      const name = `${count} camera${count > 1 ? 's' : ''} at ${FPS} frames/s`;
      row(
        `${name}: processor`,
        100 * cpuShare,
        '% of a core',
        `${framesPerSecond.toFixed(1)} frames/s in all`,
      );
      latency(`${name}: capture to subscriber`, captureToPublishedMs);
      latency(`${name}: event loop late by`, eventLoopDelayMs);
    }
  } finally {
    shop.close();
  }
}

function latency(name, { p50, p99, p999 }) {
  row(name, p50, 'ms', `median; p99 ${p99.toFixed(3)}, p99.9 ${p999.toFixed(3)} ms`);
}
