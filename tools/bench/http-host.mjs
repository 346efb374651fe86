/**
 * A bridge with shared memory and the HTTP server, in a process of its own, so that its processor time can be told from that
 * of camera and viewers. Forked: `{port, http}` comes as the argument; it sends `{url}`, and for each number of milliseconds that it is
 * sent `{cpuShare, framesPerSecond, elapsedMs}` of so long a time, or a multiple of it.
 */
import { setTimeout as after } from 'node:timers/promises';
import { openBridge } from '../../dist/index.js';
import { WebServer } from '../../dist/web/index.js';

const FEWEST = 5;
const { port, http } = JSON.parse(process.argv[2]);
const bridge = await openBridge({ port, shmName: `/openmv_bench_${process.pid}_http`, reconnect: false });
const server = http ? await WebServer.open({ http: '0', runId: 'bench' }) : undefined;
server?.add(bridge);
let frames = 0;
bridge.frames$.subscribe(() => frames++);
await bridge.start();
process.on('message', async (ms) => {
  const from = { frames, at: performance.now(), cpu: process.cpuUsage() };
  // A busy machine may need longer for any frames at all.
  do await after(ms);
  while (frames - from.frames < FEWEST);
  const { user, system } = process.cpuUsage(from.cpu);
  const elapsedMs = performance.now() - from.at;
  process.send({
    cpuShare: (user + system) / 1_000 / elapsedMs,
    elapsedMs,
    framesPerSecond: (1_000 * (frames - from.frames)) / elapsedMs,
  });
});
process.send({ url: server?.url });
process.once('disconnect', async () => {
  await bridge.close();
  await server?.close();
});
