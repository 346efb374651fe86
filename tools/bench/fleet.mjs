/**
 * Cameras beyond one machine, over a NATS server on this one: what a remote call costs beside a local one of the same
 * algorithm, what further workers bring an algorithm of 50 ms, and eight bridges into one server. Cameras are virtual.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '@nats-io/transport-node';
import { either, median, row, skipped } from './report.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const ADAPTER = fileURLToPath(new URL('adapters/empty.mjs', import.meta.url));
const WORKERS = [1, 2, 4];
const CALL_MS = 50;
const BRIDGES = 8;
const FPS = 30;
/** Results that are not counted: everything is loaded, and compiled, in their time. */
const WARM_UP = either(60, 10);
const MEASURE_MS = either(8_000, 1_000);

export default async function fleet() {
  if (spawnSync('nats-server', ['--version']).error) {
    return skipped('NATS', 'there is no nats-server: apt-get install nats-server');
  }
  const server = await startServer();
  try {
    await calls(server.url);
    await workers(server.url);
    await bridges(server.url);
  } finally {
    await server.stop();
  }
}

/** A server on a port of its own. */
async function startServer() {
  const dir = mkdtempSync(join(tmpdir(), 'openmv-bench-nats-'));
  const ports = join(dir, 'ports');
  mkdirSync(ports);
  const args = ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', ports];
  const child = spawn('nats-server', args, { stdio: 'ignore' });
  let text = '';
  while (!text.includes('}')) {
    if (child.exitCode !== null) throw new Error('nats-server ended.');
    await sleep(20);
    const [file] = readdirSync(ports);
    if (file !== undefined) text = readFileSync(join(ports, file), 'utf8');
  }
  return {
    url: JSON.parse(text).nats[0],
    stop: async () => {
      await ended(child, 'SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The command line, with what its JSON lines say. */
function start(...args) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = [];
  const reader = createInterface({ input: child.stdout });
  reader.on(
    'line',
    (text) => text.startsWith('{') && lines.push({ at: performance.now(), ...JSON.parse(text) }),
  );
  return { lines, stop: () => ended(child, 'SIGTERM') };
}

const camera = (id, fps, ...args) =>
  start(
    ...['--port', 'virtual', '--virtual-id', String(id), '--virtual-fps', String(fps), '--no-shm', '--json'],
    ...['--camera-id', `bench-${id}`, ...args],
  );
const worker = (url, ...algorithm) => start('worker', '--nats', url, '--', ...algorithm);
const algorithm = (ms = 0) => [process.execPath, ADAPTER, String(ms)];

/** Results a second, and the median of the time from a frame's arrival to its result, over some seconds after the warm-up. */
async function results({ lines }) {
  const of = () => lines.filter(({ type, resultStatus }) => type === 'result' && resultStatus === 'OK');
  for (let waited = 0; of().length < WARM_UP; waited += 50) {
    if (waited > 60_000) throw new Error('There are no results.');
    await sleep(50);
  }
  const before = of().length;
  const from = performance.now();
  await sleep(MEASURE_MS);
  const measured = of().slice(before);
  const seconds = (performance.now() - from) / 1_000;
  const totals = measured.map(({ latency }) => latency.queueMs + latency.transferMs + latency.computeMs);
  return { perSecond: measured.length / seconds, ms: median(totals) };
}

/** The same empty algorithm here, and as a worker. */
async function calls(url) {
  const here = camera(1, FPS, '--delivery', 'every', '--', ...algorithm());
  const local = await results(here);
  await here.stop();
  const elsewhere = worker(url, ...algorithm());
  const from = camera(1, FPS, '--nats', url, '--runner', 'nats:', '--delivery', 'every');
  const remote = await results(from);
  await Promise.all([from.stop(), elsewhere.stop()]);
  const rate = ({ perSecond }) => `${perSecond.toFixed(1)} results/s`;
  row(`a local call at ${FPS} frames/s, arrival to result`, local.ms, 'ms', rate(local));
  const added = `${rate(remote)}; ${(remote.ms - local.ms).toFixed(1)} ms more than a local one`;
  row(`a remote call at ${FPS} frames/s, arrival to result`, remote.ms, 'ms', added);
}

/** More workers, each with one adapter. */
async function workers(url) {
  let one;
  for (const count of either(WORKERS, [1])) {
    const all = Array.from({ length: count }, () => worker(url, ...algorithm(CALL_MS)));
    const from = camera(2, 'max', '--nats', url, '--runner', 'nats:', '--delivery', 'every');
    const { perSecond } = await results(from);
    await Promise.all([from.stop(), ...all.map((each) => each.stop())]);
    one ??= perSecond;
    const most = (1_000 * count) / CALL_MS;
    const note = `${(perSecond / one).toFixed(2)} x one worker; ${most} is the most there can be`;
    row(`${count} worker${count > 1 ? 's' : ''}, an algorithm of ${CALL_MS} ms`, perSecond, 'frames/s', note);
  }
}

/** Frames of eight processes, counted by a client of the server. */
async function bridges(url) {
  const client = await connect({ servers: url });
  const delays = [];
  client.subscribe('openmv.local.*.frame', {
    callback: (_error, { headers }) => delays.push(Date.now() - Number(headers.get('Timestamp-Ms'))),
  });
  await client.flush();
  const count = either(BRIDGES, 2);
  const all = Array.from({ length: count }, (_, index) => camera(10 + index, FPS, '--nats', url));
  for (let waited = 0; delays.length < count * WARM_UP; waited += 50) {
    if (waited > 120_000) throw new Error('There are no frames.');
    await sleep(50);
  }
  const delivered = () =>
    all.reduce((sum, { lines }) => sum + lines.filter(({ type }) => type === 'frame').length, 0);
  const [before, deliveredBefore, from] = [delays.length, delivered(), performance.now()];
  await sleep(MEASURE_MS);
  const seconds = (performance.now() - from) / 1_000;
  const arrived = delays.slice(before);
  const rate = (delivered() - deliveredBefore) / seconds;
  await Promise.all(all.map((each) => each.stop()));
  await client.close();
  row(
    `${count} bridges into one server, virtual cameras`,
    arrived.length / seconds,
    'frames/s',
    `of ${rate.toFixed(1)} delivered; complete at the bridge to the subscriber: median ${median(arrived).toFixed(1)} ms`,
  );
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function ended(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
