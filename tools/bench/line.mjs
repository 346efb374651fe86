/**
 * Pulling frames over a simulated line of a given bandwidth and round trip, as a share of what the line can carry: bytes of
 * JPEGs against bytes. The host is ours from the byte stream to the frame, and takes its real time; waiting takes none,
 * because the clock jumps to the next thing that happens (`SimulatedLine`). The camera answers at once and always has a
 * next frame, so that what is missing is the host's: round trips that it waits for, and its processor time.
 */
import { Camera } from '../../dist/camera/camera.js';
import { FramePuller } from '../../dist/frames/index.js';
import { cameraOptionsSchema } from '../../dist/options/index.js';
import { either, row } from './report.mjs';
import { SimulatedCamera } from './simulated-camera.mjs';

/** Bytes a second in each direction; `payload` is the largest of boards on such a line. */
const LINES = [
  { name: 'full speed, 1 MB/s', bytesPerSecond: 1_000_000, payload: 4_082, kind: 'usb', frames: 60 },
  { name: 'high speed, 40 MB/s', bytesPerSecond: 40_000_000, payload: 8_178, kind: 'usb', frames: 400 },
  { name: '921600 baud, acks on', bytesPerSecond: 92_160, payload: 498, kind: 'uart', frames: 12 },
];
const ROUND_TRIPS_MS = [0.1, 1, 5];
const SIZES = [25_000, 100_000];

/** Frames a second of the simulated time. */
async function pull(line, roundTripMs, size, window) {
  const simulated = new SimulatedCamera({ ...line, roundTripMs, size, window });
  const camera = new Camera(
    simulated,
    'simulated',
    cameraOptionsSchema.parse({ port: 'simulated' }),
    simulated.clock,
  );
  const running = simulated.run();
  await camera.open();
  const stop = new AbortController();
  const wanted = either(line.frames, 3);
  let frames = -either(line.frames, 1);
  let from = 0;
  let requests = 0;
  let to = 0;
  const puller = new FramePuller(
    'frame',
    {
      frame: () => {
        frames++;
        if (frames === 0) {
          from = simulated.clock.now();
          requests = camera.stats().requests;
        }
        if (frames !== wanted) return;
        to = simulated.clock.now();
        requests = camera.stats().requests - requests;
        stop.abort();
      },
      dropped: () => undefined,
    },
    simulated.clock,
  );
  await puller.run(camera, stop.signal);
  await camera.close();
  simulated.stop();
  await running;
  return { rate: (1_000 * wanted) / (to - from), requests: requests / wanted };
}

export default async function line() {
  for (const each of LINES) {
    for (const size of SIZES) {
      for (const roundTripMs of ROUND_TRIPS_MS) {
        const { rate, requests } = await pull(each, roundTripMs, size, true);
        const plain = await pull(each, roundTripMs, size, false);
        const share = (frames) => (100 * frames * size) / each.bytesPerSecond;
        row(
          `${each.name}, ${roundTripMs} ms, ${size / 1_000} KB`,
          share(rate),
          '%',
          `of the line, ${rate.toFixed(1)} frames/s, ${requests.toFixed(1)} requests a frame; by the plain pattern ${share(plain.rate).toFixed(1)} %`,
        );
      }
    }
  }
}
