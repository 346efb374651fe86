/**
 * What a frame costs inside the bridge beside its processor time: memory allocated, promises and other objects with a life in
 * time, requests and packets. Counted in runs of their own, because counting slows everything down.
 */
import { noCompiler, workshop } from './native.mjs';
import { either, row, skipped } from './report.mjs';

const WAYS = {
  default: {},
  'no shared memory': { shm: false },
  'acks on': { ack: 'on' },
};

export default async function work() {
  if (noCompiler) return skipped('work a frame', noCompiler);
  const shop = workshop();
  const times = { warmUpMs: either(1_000, 300), durationMs: either(2_000, 300) };
  try {
    const camera = await shop.cameraInC();
    for (const [name, input] of Object.entries(WAYS).slice(0, either(3, 1))) {
      const run = (count) => shop.bridges([{ port: camera.port, ...input }], { ...times, count });
      const plain = await run();
      const note = `${plain.requestsPerFrame.toFixed(2)} requests, ${plain.packetsPerFrame.toFixed(1)} packets a frame`;
      row(`${name}: processor time a frame`, plain.cpuMsPerFrame, 'ms', note);
      const { allocatedPerFrame } = await run('allocations');
      row(`${name}: allocated a frame`, allocatedPerFrame, 'bytes', "beside the JPEG's own memory");
      const { begunPerFrame } = await run('promises');
      const { PROMISE = 0, ...others } = begunPerFrame;
      const rest = Object.entries(others)
        .filter(([, number]) => number > 0.01)
        .map(([type, number]) => `${number.toFixed(1)} ${type}`);
      row(`${name}: promises a frame`, PROMISE, 'promises', rest.join(', '));
    }
    await camera.stop();
  } finally {
    shop.close();
  }
}
