/**
 * `npm run soak:resources [-- --cycles N --frames N]`: what a process holds (files, threads, timers, listeners,
 * shared memory, memory) is the same after 1,000 connections and after 100,000 frames. Ends with 1 when it is not.
 *
 * The virtual camera is a process of its own, behind a pty. Its MicroPython cannot collect garbage while a script runs and
 * grows by some 100 bytes a frame: in the same process that hides what the bridge does.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connectCamera, openBridge } from '../../dist/index.js';

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '1000' }, frames: { type: 'string', default: '100000' } },
});
/** Measured from this share of the work on, when caches, pools and compiled code have their size. */
const WARM_UP = 0.5;
/** Memory may be so much larger at the end. */
const MEMORY_FACTOR = 1.05;
const MARGIN_HANDLES = 3;
/** What `serialport` 13 leaves behind for each opening: its Poller holds itself (some 400 bytes of heap, and a uv_poll_t). */
const CONNECTION_MB = 0.001;
/** Resident memory is averaged over so many samples in each half of what is measured: V8 takes and gives back as it likes. */
const SAMPLES = 50;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const residentMb = (pid = 'self') =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1_024;

async function holdings() {
  collect();
  await pause(500);
  collect();
  const active = process.getActiveResourcesInfo();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return {
    files: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    timers: active.filter((name) => name === 'Timeout').length,
    resources: active.length,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    sharedMemory: readdirSync('/dev/shm').filter((name) => name.includes(String(process.pid))).length,
    // What is left after a collection: objects, and buffers of frames.
    heapMb: (heapUsed + arrayBuffers) / 2 ** 20,
  };
}

const wrong = [];

/** `slackMb`: growth of memory that is known. */
function compare(what, before, after, slackMb = 0) {
  const row = Object.keys(before).map((key) => {
    const digits = key.endsWith('Mb') ? 1 : 0;
    return `${key} ${before[key].toFixed(digits)} -> ${after[key].toFixed(digits)}`;
  });
  console.log(`${what}: ${row.join(', ')}`);
  for (const key of Object.keys(before)) {
    const most = key.endsWith('Mb') ? before[key] * MEMORY_FACTOR + slackMb : before[key] + MARGIN_HANDLES;
    if (after[key] > most) wrong.push(`${key} grew from ${before[key]} to ${after[key]} over ${what}`);
  }
}

const mean = (numbers) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

/** Compares the second half of the samples with the first. */
function halves(samples) {
  const middle = samples.length / 2;
  return [{ residentMb: mean(samples.slice(0, middle)) }, { residentMb: mean(samples.slice(middle)) }];
}

/**
 * Takes samples of a work of `count` steps, and compares what is held from WARM_UP on. `slackMb`: growth that is known, for
 * a step.
 */
function watch(what, count, slackMb = 0) {
  const warm = Math.ceil(count * WARM_UP);
  const every = Math.max(1, Math.floor((count - warm) / (2 * SAMPLES)));
  const samples = [];
  let before;
  return {
    /** A promise: the work must wait for it. */
    at(done) {
      if (done === warm) return holdings().then((held) => (before = held));
      if (done > warm && (done - warm) % every === 0) samples.push(residentMb());
      return undefined;
    },
    async end() {
      const [first, second] = halves(samples);
      compare(what, { ...before, ...first }, { ...(await holdings()), ...second }, (count - warm) * slackMb);
    },
  };
}

const directory = mkdtempSync(join(tmpdir(), 'openmv-resources-'));
const port = join(directory, 'cam');
const camera = spawn(
  process.execPath,
  [
    fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url)),
    'virtual',
    '--link',
    port,
    '--virtual-fps',
    'max',
  ],
  { stdio: ['ignore', 'ignore', 'pipe'] },
);
process.on('exit', () => {
  camera.kill();
  rmSync(directory, { recursive: true, force: true });
});
await new Promise((resolve) => camera.stderr.once('data', resolve));

async function cycles(count) {
  const watched = watch(`${count} connections`, count, CONNECTION_MB);
  for (let cycle = 0; cycle < count; cycle++) {
    await watched.at(cycle);
    const connection = await connectCamera({ port });
    await connection.channel('frame').shape();
    await connection.close();
  }
  await watched.end();
}

/** Frames at full speed into shared memory. */
async function frames(count) {
  const cameraMb = residentMb(camera.pid);
  const bridge = await openBridge({ port, shmName: `/openmv_resources_${process.pid}` });
  const watched = watch(`${count} frames`, count);
  await new Promise((resolve, reject) => {
    const next = (frame) => {
      if (frame.sequence === count) {
        bridge.hold(watched.end().then(resolve, reject));
        return;
      }
      const room = watched.at(frame.sequence);
      if (room) bridge.hold(room);
    };
    bridge.frames$.subscribe({ next, error: reject });
  });
  await bridge.close();
  console.log(`virtual camera: ${cameraMb.toFixed(0)} -> ${residentMb(camera.pid).toFixed(0)} MB`);
}

const idle = await holdings();
await cycles(Number(values.cycles));
await frames(Number(values.frames));
// Thread pools and memory stay as large as they were needed once; all else goes.
const left = await holdings();
compare('everything, closed again', idle, { ...left, threads: idle.threads, heapMb: idle.heapMb });
console.log(wrong.length === 0 ? 'resources passed' : `resources FAILED: ${wrong.join('; ')}`);
process.exit(wrong.length === 0 ? 0 : 1);
