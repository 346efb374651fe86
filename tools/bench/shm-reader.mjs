/** A reader for the shared-memory benchmark, as shm-reader.cpp. Usage: shm-reader.mjs shm NAME */
import { openShm } from '../../dist/index.js';

const shm = openShm(process.argv[3]);
const times = [];
// The thread that waits takes a while to start.
setTimeout(() => console.log('ready'), 1_000);
for await (const frame of shm.frames({ existing: false })) {
  times.push(Number(process.hrtime.bigint() - frame.timestampNs) / 1e3);
  if (frame.height === 2) break;
}
await shm.close();
times.pop();
times.sort((a, b) => a - b);
const at = (share) => times[Math.floor(share * (times.length - 1))];
console.log(JSON.stringify({ p50: at(0.5), p99: at(0.99), p999: at(0.999), frames: times.length }));
