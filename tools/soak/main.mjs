/**
 * `npm run soak [-- --frames N | --minutes M] [--seed S] [--faults SPEC | --replay DIR] [--disturb-ms MS] [--verbose]`
 *
 * Three virtual cameras on ptys, one bridge process with an algorithm for each. Lines spoil packets; every two seconds (or
 * --disturb-ms: shorter ones hit connections that have hardly begun, and frames between body and release) a cable is pulled, a camera reset, an algorithm killed. At the end what the cameras captured is compared with what
 * was delivered. Ends with 1 when a promise was broken; the same seed makes the same faults and the same plan. What was done
 * to the cameras is written down as it happens, and kept when the soak fails; --replay has the same faults from there.
 */
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mulberry32 } from '../../dist/virtual/prng.js';
import { account, complaints } from './account.mjs';
import { SoakCamera } from './camera.mjs';

const CAMERAS = 3;
const DEFAULT_FRAMES = 20_000;
/** Shares of packets, in both directions: about 2.5 % in all. */
const DEFAULT_FAULTS = '1.5%,double=0.3%,garbage=0.3%,reorder=0.3%,delay=0.1%,stall=0.02%,stall-ms=200';
/** A soak that does not get on is a failure, not a reason to wait for ever. */
const STALLED_MS = 60_000;
const DISTURB_MS = '2000';
/** Three algorithms in turn. */
const KILL_MS = 6_500;
const REPORT_MS = 10_000;

const { values } = parseArgs({
  options: {
    frames: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    faults: { type: 'string', default: DEFAULT_FAULTS },
    replay: { type: 'string' },
    'disturb-ms': { type: 'string', default: DISTURB_MS },
    verbose: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const until = values.minutes ? performance.now() + Number(values.minutes) * 60_000 : Number.POSITIVE_INFINITY;
const wanted = values.minutes ? Number.POSITIVE_INFINITY : Number(values.frames ?? DEFAULT_FRAMES);

/** The plan of disturbances is the same for the same seed. */
const random = mulberry32(seed);
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'openmv-soak-'));
/** Logs of faults and disturbances: all that is left of a soak that failed, even if it is killed. */
const logs = mkdtempSync(join(tmpdir(), 'openmv-soak-faults-'));
const faultLog = (directory, index) => join(directory, `camera${index + 1}.jsonl`);
const shm = `/openmv_soak_${process.pid}`;

const cameras = [];
for (let index = 0; index < CAMERAS; index++) {
  const faults = values.replay
    ? `replay:${faultLog(values.replay, index)}`
    : `${values.faults},seed=${seed + index}`;
  cameras.push(
    await SoakCamera.open(join(directory, `cam${index}`), index + 1, {
      fps: 'max',
      faults,
      faultLog: faultLog(logs, index),
    }),
  );
}

const bridge = spawn(
  process.execPath,
  [
    path('../../dist/cli/main.js'),
    ...cameras.flatMap((camera) => ['--port', camera.link]),
    ...[
      '--json',
      '--quiet',
      '--shm-name',
      shm,
      // On a slow machine the soak kills more often than the breaker allows.
      '--crash-limit',
      '10000',
      '--',
      process.execPath,
      path('../algorithms/example_algorithm.mjs'),
    ],
  ],
  { stdio: ['ignore', 'pipe', values.verbose ? 'inherit' : 'ignore'] },
);
const ended = new Promise((resolve) => bridge.on('close', (code, signal) => resolve(code ?? signal)));
const running = () => bridge.exitCode === null && bridge.signalCode === null;

/** By camera id. */
const told = new Map();
const errors = {};
let total = 0;
/** What the bridge has told of a camera before it has told anything. */
const nothingTold = () => ({
  frames: [],
  dropped: 0,
  reasons: {},
  results: 0,
  verdicts: 0,
  disconnected: 0,
  stats: undefined,
});
let lastFrame = performance.now();
createInterface({ input: bridge.stdout }).on('line', (text) => {
  const line = JSON.parse(text);
  if (line.type === 'error') errors[line.code] = (errors[line.code] ?? 0) + 1;
  if (line.cameraId === undefined) return;
  if (!told.has(line.cameraId)) {
    told.set(line.cameraId, nothingTold());
  }
  const entry = told.get(line.cameraId);
  if (line.type === 'frame') {
    entry.frames.push({ sequence: line.sequence, crc32: line.crc32, bytes: line.bytes });
    total++;
    lastFrame = performance.now();
  } else if (line.type === 'dropped') {
    entry.dropped += line.count;
    entry.reasons[line.reason] = (entry.reasons[line.reason] ?? 0) + line.count;
  } else if (line.type === 'result') {
    entry.results++;
    if (line.resultStatus !== null) entry.verdicts++;
  } else if (line.type === 'disconnected') entry.disconnected++;
  else if (line.type === 'stats') entry.stats = line;
});

let kills = 0;
function killAlgorithm() {
  try {
    const pids = execFileSync('pgrep', ['-P', String(bridge.pid), '-f', 'example_algorithm'], {
      encoding: 'utf8',
    });
    // The oldest: so each camera's algorithm has its turn.
    const pid = Math.min(...pids.trim().split('\n').map(Number));
    process.kill(pid, 'SIGKILL');
    kills++;
    note('algorithm killed', { pid });
  } catch {
    // None runs just now: the last one killed is being started again.
  }
}

function note(what, fields) {
  const atMs = Math.round(performance.now() - started);
  const line = JSON.stringify({ atMs, frames: total, what, ...fields });
  appendFileSync(join(logs, 'disturbances.jsonl'), `${line}\n`);
}

const disturbances = [
  () => {
    const index = Math.floor(random() * CAMERAS);
    const forMs = 20 + random() * 300;
    note('hang-up', { camera: index + 1, forMs });
    return cameras[index].hangUp(forMs);
  },
  () => {
    const index = Math.floor(random() * CAMERAS);
    note('reset', { camera: index + 1 });
    return cameras[index].reset();
  },
];

const residentMb = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${bridge.pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
const handles = () => readdirSync(`/proc/${bridge.pid}/fd`).length;

const faultsAre = values.replay ? `those of ${values.replay}` : values.faults;
console.log(`soak: seed ${seed}, faults ${faultsAre}, ${CAMERAS} cameras; written down in ${logs}`);
const started = performance.now();
let early;
let reported = started;
let killed = started;
let stalled = false;
while (total < wanted && performance.now() < until && running() && !stalled) {
  await new Promise((resolve) => setTimeout(resolve, Number(values['disturb-ms'])));
  await disturbances[Math.floor(random() * disturbances.length)]();
  const now = performance.now();
  if (now - killed > KILL_MS) {
    killed = now;
    killAlgorithm();
  }
  if (early === undefined && now - started > 15_000) early = { mb: residentMb(), handles: handles() };
  if (now - reported > REPORT_MS) {
    reported = now;
    const seconds = (now - started) / 1_000;
    console.log(`${seconds.toFixed(0)} s: ${total} frames, ${(total / seconds).toFixed(0)} frames/s`);
  }
  stalled = now - lastFrame > STALLED_MS;
}

const wrong = [];
if (stalled) wrong.push(`no frame for ${STALLED_MS / 1_000} s`);
const byItself = !running();
const late = !byItself ? { mb: residentMb(), handles: handles() } : { mb: 0, handles: 0 };
bridge.kill('SIGINT');
const status = await ended;
if (status !== 0 || byItself) wrong.push(`the bridge ended ${byItself ? 'by itself ' : ''}with ${status}`);
const sum = (table) =>
  Object.entries(table)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';

/** A virtual camera's id ends in the number that it was given. */
const toldOf = (index) =>
  [...told].find(([id]) => id.endsWith((index + 1).toString(16).padStart(8, '0')))?.[1];
cameras.forEach((camera, index) => {
  const entry = toldOf(index) ?? nothingTold();
  const result = account({
    captures: camera.captures,
    frames: entry.frames,
    dropped: entry.dropped,
    destroyed: 2 * camera.resets,
  });
  const broken = complaints(result);
  wrong.push(...broken.map((what) => `camera ${index + 1}: ${what}`));
  const { toHost, toCamera } = camera.injected;
  const injected = Object.fromEntries(
    Object.keys(toHost).map((kind) => [kind, toHost[kind] + toCamera[kind]]),
  );
  const link = entry.stats?.link;
  console.log(`camera ${index + 1}
  frames      captured ${result.captured}, delivered ${result.delivered}, counted lost: ${sum(entry.reasons)}, destroyed by resets at most ${2 * camera.resets}
  promises    torn ${result.torn}, twice ${result.twice}, out of order ${result.disordered}, gaps ${result.gaps}, unaccounted ${Math.max(0, result.missing - result.dropped - result.destroyed)}
  injected    ${sum(injected)}, hang-ups ${camera.hangUps}, resets ${camera.resets}
  repaired    ranges read again ${entry.stats?.repaired ?? 0}; since the last connection: retries ${link?.retries ?? 0}, resynchronisations ${link?.resyncs ?? 0}
  algorithm   results ${entry.results}, with a verdict ${entry.verdicts}`);
});
console.log(`algorithm kills ${kills}; errors told: ${sum(errors)}`);
if (early) {
  console.log(
    `bridge memory ${early.mb.toFixed(0)} MB after 15 s, ${late.mb.toFixed(0)} MB at the end; open files ${early.handles}, ${late.handles}`,
  );
  if (late.mb > early.mb * 1.5 + 100)
    wrong.push(`memory grew from ${early.mb.toFixed(0)} to ${late.mb.toFixed(0)} MB`);
  if (late.handles > early.handles + 20)
    wrong.push(`open files grew from ${early.handles} to ${late.handles}`);
}
const left = readdirSync('/dev/shm').filter(
  (name) => name.includes(shm.slice(1)) || name.includes(`-${bridge.pid}-`),
);
if (left.length > 0) wrong.push(`left in /dev/shm: ${left.join(', ')}`);

for (const camera of cameras) await camera.close();
rmSync(directory, { recursive: true, force: true });
const seconds = (performance.now() - started) / 1_000;
console.log(`${total} frames in ${seconds.toFixed(0)} s`);
if (wrong.length === 0) {
  rmSync(logs, { recursive: true, force: true });
  console.log('soak passed');
} else {
  console.log(`soak FAILED: ${wrong.join('; ')}
Its seed: --seed ${seed}. What was done to the cameras is in ${logs}; the same faults again: --seed ${seed} --replay ${logs}`);
}
process.exit(wrong.length === 0 ? 0 : 1);
