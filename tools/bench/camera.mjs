/**
 * End to end on the virtual camera: frames a second and the host's CPU time a frame, at full speed. The interpreter
 * and the sensor run in other threads; the main thread's share is the bridge's own cost together with the sending
 * end of the virtual line.
 */
import { cpuUsage } from 'node:process';
import { openBridge } from '../../dist/index.js';
import { row } from './measure.mjs';

const WARM_UP_MS = 3_000;
const MEASURE_MS = 5_000;

async function measure(name, options) {
  const bridge = await openBridge({ port: 'virtual', shmName: `/openmv_bench_${process.pid}`, ...options });
  let frames = 0;
  let bytes = 0;
  bridge.frames$.subscribe((frame) => {
    frames++;
    bytes += frame.bytes;
  });
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  frames = 0;
  bytes = 0;
  const cpu = cpuUsage();
  const loop = performance.eventLoopUtilization();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
  const seconds = (performance.now() - start) / 1_000;
  const used = cpuUsage(cpu);
  const busy = performance.eventLoopUtilization(loop).active;
  await bridge.close();
  const all = (used.user + used.system) / 1_000 / frames;
  row(
    name,
    `${(frames / seconds).toFixed(0)} frames/s`,
    `${(bytes / frames / 1_024).toFixed(1)} KB a frame, ${(bytes / seconds / 1e6).toFixed(1)} MB/s, CPU a frame: ${(busy / frames).toFixed(3)} ms main thread, ${all.toFixed(3)} ms all threads`,
  );
  return frames / seconds;
}

export default async function camera() {
  const virtual = { fps: 'max' };
  const off = await measure('acks off (as on USB)', { virtual });
  const on = await measure('acks on', { virtual, ack: 'on' });
  row('acks on : off', `${(on / off).toFixed(2)}`);
  await measure('paced by the sensor (30 frames/s)', {});
}
