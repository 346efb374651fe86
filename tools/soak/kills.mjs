/**
 * `npm run soak:kills [-- --kills 50]`: kills a bridge (SIGKILL) at random moments while six readers, two each in Node, Python
 * and C++, read its segment and its ring. Ends with 1 if a reader got a frame that was never captured, got one twice or out
 * of order, ended, or if something is left in shared memory. Needs python3 and g++.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
});
const KILLS = Number(values.kills);
/** A bridge lives between these times after its first frame. */
const SHORTEST_MS = 50;
const LONGEST_MS = 1_000;

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'openmv-kills-'));
const segment = `/openmv_kills_${process.pid}`;
const ring = `${segment}_ring`;

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
let state = Number(values.seed);
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const compiled = join(dir, 'reader');
execFileSync('g++', [
  '-std=c++17',
  '-O1',
  '-o',
  compiled,
  path('../readers/example.cpp'),
  '-lrt',
  '-pthread',
]);
const commands = {
  node: [process.execPath, path('kill-reader.mjs')],
  python: ['python3', path('../readers/example.py')],
  'c++': [compiled],
};

const wrong = [];
const readers = Object.entries(commands).flatMap(([language, [program, ...args]]) =>
  [segment, ring].map((name) => {
    const child = spawn(program, [...args, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const reader = {
      what: `${language} of the ${name === ring ? 'ring' : 'segment'}`,
      child,
      frames: [],
      ended: false,
    };
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, sequence, crc] = /^(\d+) .*crc32=([0-9a-f]{8})/.exec(line) ?? [];
      if (crc === undefined) wrong.push(`${reader.what} said: ${line}`);
      else reader.frames.push({ sequence: Number(sequence), crc });
    });
    child.on('exit', () => (reader.ended = true));
    return reader;
  }),
);

/** CRCs of every capture there was: a torn frame has another one. */
const captured = new Set();
function account(ledger) {
  for (const line of readFileSync(ledger, 'utf8').split('\n').filter(Boolean))
    captured.add(JSON.parse(line).crc32);
}

const main = path('../../dist/cli/main.js');
function startBridge(ledger) {
  const options = [
    '--virtual-fps',
    'max',
    '--virtual-ledger',
    ledger,
    '--shm-name',
    segment,
    '--ring',
    ring,
    '--json',
  ];
  return spawn(process.execPath, [main, '--port', 'virtual', ...options], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

const firstFrame = (bridge) =>
  new Promise((resolve) => {
    const lines = createInterface({ input: bridge.stdout });
    lines.on('line', (line) => line.includes('"type":"frame"') && resolve());
    lines.on('close', resolve);
  });

for (let kill = 1; kill <= KILLS; kill++) {
  const ledger = join(dir, `ledger-${kill}.jsonl`);
  const bridge = startBridge(ledger);
  await firstFrame(bridge);
  await pause(SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS));
  bridge.kill('SIGKILL');
  await new Promise((resolve) => bridge.on('close', resolve));
  account(ledger);
  if (kill % 10 === 0)
    console.log(`${kill} kills: ${readers.map(({ frames }) => frames.length).join(', ')} frames read`);
}

// The last bridge ends well, and takes away what the killed ones have left.
const ledger = join(dir, 'ledger-last.jsonl');
const last = startBridge(ledger);
await firstFrame(last);
await pause(LONGEST_MS);
last.kill('SIGTERM');
await new Promise((resolve) => last.on('close', resolve));
account(ledger);
await pause(SHORTEST_MS);

for (const { what, frames, child, ended } of readers) {
  if (ended) wrong.push(`${what} has ended`);
  child.kill('SIGKILL');
  const torn = frames.filter(({ crc }) => !captured.has(crc)).length;
  // Each bridge counts from 1: a number that is not larger belongs to the next one, whose first frames are small.
  const lives = frames.filter(
    ({ sequence }, index) => index > 0 && sequence <= frames[index - 1].sequence,
  ).length;
  const twice = frames.filter(
    ({ sequence, crc }, index) =>
      index > 0 && sequence === frames[index - 1].sequence && crc === frames[index - 1].crc,
  ).length;
  if (torn > 0) wrong.push(`${what}: ${torn} torn`);
  if (twice > 0) wrong.push(`${what}: ${twice} twice`);
  if (lives > KILLS) wrong.push(`${what}: out of order ${lives - KILLS} times`);
  console.log(`${what}: ${frames.length} frames of ${lives + 1} bridges, torn ${torn}, twice ${twice}`);
}
const left = readdirSync('/dev/shm').filter((name) => name.includes(segment.slice(1)));
if (left.length > 0) wrong.push(`left in shared memory: ${left.join(', ')}`);
rmSync(dir, { recursive: true, force: true });
for (const text of wrong) console.error(text);
console.log(`${KILLS} kills: ${wrong.length === 0 ? 'passed' : 'FAILED'}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
process.exit();
