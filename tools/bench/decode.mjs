/**
 * Pixels in shared memory, and results drawn: frames of 1080p that come at 30 a second, from one camera or two. The processor
 * time is that of all threads of the bridge's process; frames that are not decoded are counted.
 */
import { writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { annotatePicture } from '../../dist/pictures/index.js';
import { here, noCompiler, workshop } from './native.mjs';
import { either, row, skipped } from './report.mjs';

const WIDTH = 1_920;
const HEIGHT = 1_080;
const FPS = 30;
const WAYS = {
  'JPEG as it came': {},
  rgb3: { shmFormat: 'rgb3' },
  bgr3: { shmFormat: 'bgr3' },
  grey: { shmFormat: 'grey' },
  rgba: { shmFormat: 'rgba' },
  arrays: { shm: false, arrays: true },
  'rgb3 and arrays': { shmFormat: 'rgb3', arrays: true },
};

/** The documents' frame, larger and with a sensor's noise: as many bytes as a camera's of that size. */
async function picture() {
  const pixels = await sharp(here('../../docs/frame.jpg'))
    .resize(WIDTH, HEIGHT, { kernel: 'cubic' })
    .removeAlpha()
    .raw()
    .toBuffer();
  let state = 1;
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    pixels[i] = Math.max(0, Math.min(255, pixels[i] + ((state >> 16) % 13) - 6));
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
}

export default async function decode() {
  const jpeg = await picture();
  await annotating(jpeg);
  if (noCompiler) return skipped('pixels in shared memory', noCompiler);
  const shop = workshop();
  try {
    const path = shop.path('large.jpg');
    writeFileSync(path, jpeg);
    for (const count of either([1, 2], [1])) {
      const cameras = await Promise.all(
        Array.from({ length: count }, () => shop.cameraInC({ fps: FPS, jpeg: path })),
      );
      for (const [name, { arrays, ...input }] of Object.entries(WAYS).slice(either(0, -1))) {
        const inputs = cameras.map(({ port }, index) => ({
          port,
          shmSize: 2 ** 24,
          ...input,
          ...(arrays && { arrays: `openmv_bench_${process.pid}_${index}` }),
        }));
        const measured = await shop.bridges(inputs, {
          warmUpMs: either(1_000, 500),
          durationMs: either(4_000, 1_000),
        });
        const { cpuShare, framesPerSecond, undecoded, busyMsPerFrame } = measured;
        row(
          `${count} x 1080p at ${FPS} frames/s, ${name}`,
          100 * cpuShare,
          '% of a core',
          `${framesPerSecond.toFixed(1)} frames/s, ${undecoded} not decoded, event loop busy ${busyMsPerFrame.toFixed(2)} ms a frame`,
        );
      }
      await Promise.all(cameras.map((camera) => camera.stop()));
    }
  } finally {
    shop.close();
  }
}

/** The verdict and two rectangles on frames of that size: processor time of all threads. */
async function annotating(jpeg) {
  const drawing = {
    outcome: 'ng',
    text: 'scratch',
    defectRects: [
      { x: 100, y: 200, width: 300, height: 200, label: 'scratch', score: 0.91 },
      { x: 1_000, y: 700, width: 200, height: 150, label: 'dent', score: 0.7 },
    ],
  };
  const count = either(30, 2);
  await annotatePicture(jpeg, drawing);
  const cpu = process.cpuUsage();
  for (let n = 0; n < count; n++) await annotatePicture(jpeg, drawing);
  const { user, system } = process.cpuUsage(cpu);
  row('a 1080p frame annotated, processor time', (user + system) / 1_000 / count, 'ms');
}
