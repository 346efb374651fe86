/**
 * From a trigger of the host to its frame in the program: on the virtual camera with a sensor that has a picture at once, where
 * only requests and the script take time, and with one of 30 frames a second, which first ends what it is exposing.
 */
import { openBridge } from '../../dist/index.js';
import { either, row } from './report.mjs';

export default async function trigger() {
  await measure('a picture at once', 'max', either(500, 20));
  await measure('a sensor of 30 frames/s', 30, either(100, 5));
}

async function measure(name, fps, count) {
  const bridge = await openBridge({ port: 'virtual', shm: false, trigger: 'host', virtual: { fps } });
  const frames = bridge.frames();
  const latencies = [];
  // The first pictures wait to be drawn: a loop of the scene has 48.
  for (let shot = -either(60, 2); shot < count; shot++) {
    const start = performance.now();
    // The frame may be there before the answer to its trigger.
    const [triggerId, { value: frame }] = await Promise.all([bridge.trigger(), frames.next()]);
    if (frame.triggerId !== triggerId)
      throw new Error(`frame ${frame.triggerId} came for trigger ${triggerId}`);
    if (shot >= 0) latencies.push(performance.now() - start);
  }
  await bridge.close();
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  row(`trigger to frame, ${name}: median`, at(0.5), 'ms', `${count} triggers`);
  row(`trigger to frame, ${name}: 99 of 100`, at(0.99), 'ms');
}
