/**
 * `npm run soak:resources [-- --cycles N --frames N]`: what a process holds (files, threads, timers, listeners,
 * shared memory, memory) is the same after 1,000 connections and after 100,000 frames. Ends with 1 when it is not.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connectCamera, openBridge } from '../../dist/index.js';
import { openVirtualCamera, serveVirtualCamera } from '../../dist/virtual/index.js';
import { openPty } from '../../dist/virtual/line/pty.js';

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '1000' }, frames: { type: 'string', default: '100000' } },
});
/** Memory is measured after this share of the work, when caches and pools have their size. */
const WARM_UP = 0.1;
/** Growth that is noise: the garbage collector gives memory back when it likes. */
const MARGIN_MB = 64;
const MARGIN_HANDLES = 3;

const settle = () => new Promise((resolve) => setTimeout(resolve, 500));

async function holdings() {
  globalThis.gc?.();
  await settle();
  globalThis.gc?.();
  const active = process.getActiveResourcesInfo();
  return {
    files: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    timers: active.filter((name) => name === 'Timeout').length,
    resources: active.length,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    sharedMemory: readdirSync('/dev/shm').filter((name) => name.includes(String(process.pid))).length,
    memoryMb: Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1_024,
  };
}

const wrong = [];

function compare(what, before, after) {
  const row = Object.keys(before).map(
    (key) => `${key} ${before[key].toFixed(0)} -> ${after[key].toFixed(0)}`,
  );
  console.log(`${what}: ${row.join(', ')}`);
  for (const key of Object.keys(before)) {
    const margin = key === 'memoryMb' ? MARGIN_MB : MARGIN_HANDLES;
    if (after[key] > before[key] + margin)
      wrong.push(`${key} grew from ${before[key]} to ${after[key]} over ${what}`);
  }
}

/** Connections through serialport to a virtual camera behind a pty. */
async function cycles(count) {
  const directory = mkdtempSync(join(tmpdir(), 'openmv-cycles-'));
  const link = join(directory, 'cam');
  const camera = await openVirtualCamera();
  const pty = await openPty(link);
  const stop = serveVirtualCamera(camera, pty);
  let before;
  for (let cycle = 0; cycle < count; cycle++) {
    if (cycle === Math.ceil(count * WARM_UP)) before = await holdings();
    const connection = await connectCamera({ port: link });
    await connection.channel('frame').shape();
    await connection.close();
  }
  compare(`${count} connections`, before, await holdings());
  stop();
  await pty.close();
  await camera.close();
  rmSync(directory, { recursive: true });
}

/** Frames at full speed into shared memory. */
async function frames(count) {
  const bridge = await openBridge({
    port: 'virtual',
    virtual: { fps: 'max' },
    shmName: `/openmv_resources_${process.pid}`,
    frames: count,
  });
  const warm = Math.ceil(count * WARM_UP);
  await new Promise((resolve) => {
    bridge.frames$.subscribe((frame) => {
      if (frame.sequence === warm) resolve();
    });
  });
  const before = await holdings();
  let after;
  bridge.frames$.subscribe((frame) => {
    if (frame.sequence === count - 1_000) after = holdings();
  });
  await bridge.done;
  compare(`${count} frames`, before, await after);
}

const idle = await holdings();
await cycles(Number(values.cycles));
await frames(Number(values.frames));
// Thread pools and memory stay as large as they were needed once; all else goes.
const left = await holdings();
compare('everything, closed again', idle, { ...left, threads: idle.threads, memoryMb: idle.memoryMb });
console.log(wrong.length === 0 ? 'resources passed' : `resources FAILED: ${wrong.join('; ')}`);
process.exit(wrong.length === 0 ? 0 : 1);
